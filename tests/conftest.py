"""Shape annotations of the tensor code are enforced while testing, and only then."""

from jaxtyping import install_import_hook

install_import_hook(["seq2seq.nn", "seq2seq.search"], "beartype.beartype")

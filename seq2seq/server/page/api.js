/** The server's endpoints: requests as JSON, answers as data, and every failure as a sentence. */

/** A request that came to nothing; its message is for the reader of the page. */
export class Failure extends Error {
  constructor(message, status = 0, wait = 0) {
    super(message);
    this.status = status;
    this.wait = wait; // seconds after which it may be tried again
  }
}

const KEY = "seq2seq.key";

/** Return the API key that was typed, or an empty string. The browser forgets it with the tab. */
export function key() {
  return sessionStorage.getItem(KEY) ?? "";
}

/** Keep the API key that was typed. */
export function keepKey(value) {
  sessionStorage.setItem(KEY, value.trim());
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("The server does not answer. Is it still running?");
  }
  const data = await answer.json().catch(() => {
    throw new Failure(`The server sent something that is no answer (status ${answer.status}).`, answer.status);
  });
  if (!answer.ok) throw new Failure(sentence(data.error, answer.status), answer.status, Number(answer.headers.get("Retry-After") ?? 0));
  return data;
}

function sentence(text, status) {
  if (status === 404) return "This server has no such function.";
  const told = String(text ?? `The server failed with status ${status}`).replace(/^Invalid request: /, "");
  return `${told.charAt(0).toUpperCase()}${told.slice(1)}${/[.!?]$/.test(told) ? "" : "."}`;
}

/** Return the answer of a GET. Throws Failure. */
export function get(path) {
  return ask(path, {});
}

/** Return the answer of a POST with these fields; the key is added where there is one. Throws Failure, or AbortError. */
export function post(path, fields, signal) {
  const body = JSON.stringify(key() ? { ...fields, api_key: key() } : fields);
  return ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body, signal });
}

/** Return the address, on this server, of the translation of a file. Throws Failure. */
export async function translateFile(file, source, target) {
  const form = new FormData();
  for (const [name, value] of Object.entries({ source, target, ...(key() ? { api_key: key() } : {}) })) form.append(name, value);
  form.append("file", file);
  const { translatedFileUrl } = await ask("translate_file", { method: "POST", body: form });
  return `download_file/${new URL(translatedFileUrl).pathname.split("/").pop()}`;
}

/** Return a function that does work with a signal, and first gives up the work that it began before.

The function returns undefined for work that was overtaken, so that a late answer never replaces a newer one. */
export function overtaking() {
  let current = null;
  return async (work) => {
    current?.abort();
    const own = new AbortController();
    current = own;
    try {
      const found = await work?.(own.signal);
      return own === current ? found : undefined;
    } catch (error) {
      if (own !== current || error.name === "AbortError") return undefined;
      throw error;
    }
  };
}

/** Return the answer of a GET, asked again for as long as the server still loads its models. Throws Failure. */
export async function getWhenReady(path, waiting) {
  for (;;) {
    try {
      return await get(path);
    } catch (error) {
      if (error.status !== 503) throw error;
      waiting(error.message);
      await new Promise((go) => setTimeout(go, 1000 * Math.max(1, error.wait)));
    }
  }
}

"""Verbs in three languages: one line of the table is one concept.

Columns:
* English base, past, participle where irregular; `+on` is a particle (turn on the light, turn it on), `-for` a preposition.
* German infinitive (`auf|machen`: separable), `~lies` the stem of du and er, participle, `sein` if that is the auxiliary, `dat` if
  the object is in the dative, `auf+acc` a prepositional object.
* Chinese: words in order, @ the object, # the recipient, + where 了 goes. Without @ or + they come after the verb.
* kind: act (may be in progress), event (not in progress), mishap (past only), state (present only), posture (zh bare, en -ing).
* subject classes | object classes (`-` none) | place tags (`-` none) | recipient (`dat` or nothing)

A word with a closing ' (piano', Klavier', 钢琴') is the noun inside a fixed phrase and has links of its own.
"""

# A line of a table is one concept, however long (and ruff counts a Chinese character twice).
# ruff: noqa: E501

from __future__ import annotations

from dataclasses import dataclass

from . import english_forms

VERBS = """
read read read         | lesen ~lies gelesen         | 看       | act   | person | readable | quiet learn transit
write wrote written    | schreiben geschrieben       | 写       | act   | person | text | quiet learn work
buy bought bought      | kaufen gekauft              | 买       | act   | person | item:shop vegetable:shop fruit:shop bakery:bakes written:books clothing:clothes | by-object
sell sold sold         | verkaufen verkauft          | 卖掉     | event | adult | item vehicle | -
find found found       | finden gefunden             | 找到     | mishap | person | smallthing | home outside transit
look looked looked -for | suchen gesucht             | 找       | act   | person | smallthing pet | home outside
lose lost lost         | verlieren verloren          | 弄丢     | mishap | person | smallthing | outside transit
break broke broken     | zerbrechen ~zerbrich zerbrochen | 打碎 | mishap | person | breakable | kitchen dine
wash                   | waschen ~wäsch gewaschen    | 洗       | act   | person | washable vegetable fruit | -
rinse                  | spülen gespült              | 冲洗     | act   | person | dishes | kitchen
peel                   | schälen geschält            | 削       | act   | person | peelable | kitchen
cut cut cut            | schneiden geschnitten       | 切       | act   | person | vegetable cuttable | kitchen
boil                   | kochen gekocht              | 煮       | act   | person | cookable cooked | kitchen
bake                   | backen ~bäck gebacken       | 烤       | act   | person | bakery baked | kitchen
eat ate eaten          | essen ~iss gegessen         | 吃       | act   | person | food massfood | dine kitchen
eat ate eaten          | fressen ~friss gefressen    | 吃       | act   | animal | peelable meatlike | nature
drink drank drunk      | trinken getrunken           | 喝       | act   | person | drink | dine
order                  | bestellen bestellt          | 点       | act   | person | dish massfood drink | order
pay paid paid          | bezahlen bezahlt            | 付       | event | adult | payable | -
wear wore worn         | tragen ~träg getragen       | 穿着     | posture | person | clothing | -
put put put +on        | an|ziehen angezogen         | 穿上     | event | person | clothing | -
take took taken +off   | aus|ziehen ausgezogen       | 脱下     | event | person | clothing | -
try tried tried +on    | an|probieren anprobiert     | 试穿     | act   | person | clothing | clothes
open                   | auf|machen aufgemacht       | 打开     | event | person | opening container | -
close                  | zu|machen zugemacht         | 关上     | event | person | opening container | -
turn turned turned +on | an|machen angemacht         | 打开     | event | person | device | -
turn turned turned +off | aus|machen ausgemacht      | 关掉     | event | person | device | -
repair                 | reparieren repariert        | 修理     | act   | adult | fixable vehicle | repair
clean                  | putzen geputzt              | 擦       | act   | person | cleanable | -
tidy tidied tidied +up | auf|räumen aufgeräumt       | 收拾     | act   | person | room | -
paint                  | malen gemalt                | 画       | act   | person | animal paintable | outside
visit                  | besuchen besucht            | 看望     | event | person | kin friend | -
visit                  | besuchen besucht            | 参观     | event | person | sight | -
invite                 | ein|laden ~läd eingeladen   | 邀请     | event | person | person kin | -
call                   | an|rufen angerufen          | 给 @ 打 + 电话 | act | person | person kin | -
meet met met           | treffen ~triff getroffen    | 遇到     | mishap | person | person kin | meet
pick picked picked +up | ab|holen abgeholt           | 接       | event | adult | person kin | pickup
help                   | helfen ~hilf geholfen dat   | 帮助     | act   | person | person kin | -
thank                  | danken gedankt dat          | 感谢     | event | person | person kin | -
see saw seen           | sehen ~sieh gesehen         | 看见     | mishap | person | person kin animal | meet
watch                  | sehen ~sieh gesehen         | 看       | act   | person | watchable | -
know knew known        | kennen gekannt              | 认识     | state | person | person kin | -
like                   | mögen ~mag gemocht          | 喜欢     | state | person | person animal clothing drink massfood written watchable art vehicle | -
need                   | brauchen gebraucht          | 需要     | state | person | useful | -
have had had           | haben ~ha gehabt            | 有       | state | person | item pet toy vehicle useful | -
learn                  | lernen gelernt              | 学       | act   | person | language | learn
wait waited waited -for | warten gewartet auf+acc    | 等       | act   | person | person kin | pickup meet
talk talked talked -to | sprechen ~sprich gesprochen mit+dat | 跟 @ 说话 + | act | person | person kin | meet home
ask                    | fragen gefragt              | 问       | event | person | person kin | -
feed fed fed           | füttern gefüttert           | 喂       | act   | person | fed | -
hug                    | umarmen umarmt              | 拥抱     | event | person | kin friend | -
bring brought brought +along | mit|bringen mitgebracht | 带来   | event | person | gift bakery | -
throw threw thrown +away | weg|werfen ~wirf weggeworfen | 扔掉  | event | person | item smallthing | -
borrow                 | aus|leihen ausgeliehen      | 借       | event | person | written | learn
pack                   | packen gepackt              | 收拾     | act   | person | packable | -
water                  | gießen gegossen             | 浇       | act   | person | plant | -
carry                  | tragen ~träg getragen       | 提着     | posture | person | container packable | -
choose chose chosen    | aus|suchen ausgesucht       | 挑选     | act   | person | clothing gift | -
steal stole stolen     | stehlen ~stiehl gestohlen   | 偷走     | mishap | adult | item vehicle | -
understand understood understood | verstehen verstanden | 明白 | state | person | sayable | -
answer                 | beantworten beantwortet     | 回答     | event | person | sayable | -
give gave given        | geben ~gib gegeben          | 给 + # @ | event | person | gift useful written | - | dat
lend lent lent         | leihen geliehen             | 借给 + # @ | event | person | item written | - | dat
send sent sent         | schicken geschickt          | 寄给 + # @ | event | person | post | - | dat
hand                   | reichen gereicht            | 递给 + # @ | event | person | smallthing dishes | - | dat
show showed shown      | zeigen gezeigt              | 给 # 看 + @ | act | person | showable art readable | - | dat
tell told told         | erzählen erzählt            | 给 # 讲 + @ | act | person | tale | - | dat
sing sang sung         | singen gesungen             | 唱歌 +   | act   | person | - | sing outside
dance                  | tanzen getanzt              | 跳舞 +   | act   | person | - | play
swim swam swum         | schwimmen geschwommen sein  | 游泳 +   | act   | person | - | swim
jog                    | joggen gejoggt sein         | 跑步 +   | act   | person | - | outside
sleep slept slept      | schlafen ~schläf geschlafen | 睡觉 +   | act   | person | - | bed sleep transit
sleep slept slept      | schlafen ~schläf geschlafen | 睡觉 +   | act   | animal | - | nature
work                   | arbeiten gearbeitet         | 工作 +   | act   | adult | - | work home
laugh                  | lachen gelacht              | 笑 +     | act   | person | - | -
cry                    | weinen geweint              | 哭 +     | act   | young | - | bed play
study                  | lernen gelernt              | 学习 +   | act   | young | - | learn home
smoke                  | rauchen geraucht            | 抽烟 +   | act   | adult | - | outside
play +the +piano'      | Klavier'|spielen Klavier'_gespielt | 弹 钢琴' + | act | person | - | -
play +football'        | Fußball'|spielen Fußball'_gespielt | 踢 足球' + | act | person | - | play sport
play +chess'           | Schach'|spielen Schach'_gespielt | 下 棋' + | act | person | - | quiet
play +cards'           | Karten'|spielen Karten'_gespielt | 打 牌' + | act | person | - | quiet
play +tennis'          | Tennis'|spielen Tennis'_gespielt | 打 网球' + | act | person | - | sport
listen +to +music'     | Musik'|hören Musik'_gehört  | 听 音乐' + | act | person | - | quiet transit
watch +TV'             | fern|sehen ~sieh ferngesehen | 看 电视' + | act | person | - | tv
have had had +breakfast' | frühstücken gefrühstückt  | 吃 早饭' + | act | person | - | dine
shop                   | ein|kaufen eingekauft       | 买 东西' + | act | adult | - | shop
take took taken +a +shower  | duschen geduscht       | 洗澡 +   | act   | person | - | bath
take took taken +a +walk | spazieren_|gehen spazieren_gegangen sein | 散步 +   | act   | person | - | outside
get got got +up        | auf|stehen aufgestanden sein | 起床 +  | event | person | - | -
fall fell fallen +asleep | ein|schlafen ~schläf eingeschlafen sein | 睡着 + | event | person | - | -
wake woke woken +up    | auf|wachen aufgewacht sein  | 醒来 +   | event | person | - | -
come came come         | kommen gekommen sein        | 来 +     | event | person | - | -
come came come +back   | zurück|kommen zurückgekommen sein | 回来 + | event | person | - | -
arrive                 | an|kommen angekommen sein   | 到达 +   | event | ride flight | - | -
leave left left        | ab|fahren ~fähr abgefahren sein | 出发 + | event | ride | - | -
take took taken +off   | ab|fliegen abgeflogen sein  | 起飞 +   | event | flight | - | -
run ran run +away      | weg|laufen ~läuf weggelaufen sein | 跑掉 + | mishap | animal | - | -
bark                   | bellen gebellt              | 叫 +     | act   | dog | - | outside
sit sat sat            | sitzen gesessen             | 坐 ^     | posture | person pet | - | seat
lie lay lain           | liegen gelegen              | 躺 ^     | posture | person pet | - | liebed
stand stood stood      | stehen gestanden            | 站 ^     | posture | person | - | meet pickup
live                   | wohnen gewohnt              | 住 ^     | state | person | - | reside city
stay                   | bleiben geblieben sein      | 待 ^     | stay  | person | - | stay
go went gone           | gehen gegangen sein         | 去 + >   | event | person | - | to goal
go went gone           | fahren ~fähr gefahren sein  | 去 + >   | event | person | - | ride goal city
put put put            | legen gelegt                | 把 @ 放 > + | event | person | readable smallthing clothing | onto surface
put put put            | stellen gestellt            | 把 @ 放 > + | event | person | dishes breakable | onto inside level
rain                   | regnen geregnet             | 下雨 +   | weather | - | - | -
snow                   | schneien geschneit          | 下雪 +   | weather | - | - | -
say said said          | sagen gesagt                | 说       | saying | person | - | -
think thought thought  | glauben geglaubt            | 认为     | saying | person | - | -
know knew known        | wissen ~weiß gewusst        | 知道     | saying | person | - | -
hope                   | hoffen gehofft              | 希望     | saying | person | - | -
be was been            | sein ~ist gewesen sein      | 是       | be    | - | - | -
"""


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb; `english` is base, past, participle, -ing, -s; German present forms are computed in german_forms."""

    name: str
    english: tuple[str, str, str, str, str]
    particles: tuple[str, ...]
    preposition: str
    infinitive: str
    prefix: str
    changed: str  # German stem of du and er, if it differs
    participle: str
    auxiliary: str  # haben or sein
    case: str  # of the German object: acc or dat
    german_preposition: str
    chinese: tuple[str, ...]
    kind: str
    subjects: frozenset[str]
    objects: tuple[tuple[str, str], ...]  # (semantic class, place tag or "")
    places: tuple[str, ...]
    recipient: bool

    @property
    def has_noun(self) -> bool:
        """Whether some language says it with a noun (watch TV, 看电视); one that does not (fernsehen) links its verb to that noun."""
        return any(word.endswith("'") for word in (*self.particles, *self.chinese))


def _english(words: list[str]) -> tuple[tuple[str, str, str, str, str], tuple[str, ...], str]:
    forms = [word for word in words if word[0] not in "+-"]
    base = forms[0]
    regular = english_forms.past(base)
    past, participle = [*forms, regular, regular][1:3] if len(forms) > 1 else (regular, regular)
    particles = tuple(word[1:] for word in words if word[0] == "+")
    preposition = next((word[1:] for word in words if word[0] == "-"), "")
    inflected = (base, past, participle, english_forms.gerund(base), english_forms.third_person(base))
    return inflected, particles, preposition


def _chinese(words: list[str], *, has_object: bool) -> tuple[str, ...]:
    if has_object and "@" not in words:
        words = [*words, "+", "@"]
    return tuple(words if "+" in words else [*words, "+"])


def _verb(line: str) -> Verb:
    # The bar of a separable verb is also the column separator; only the German column has one inside a word.
    english, rest = line.split("|", 1)
    german, chinese, kind, subjects, objects, places, *recipient = (c.strip() for c in _split(rest))
    forms, particles, preposition = _english(english.split())
    infinitive, *more = german.split()
    prefix, bar, stem = infinitive.partition("|")
    government = next((word for word in more if "+" in word), "")
    pairs = tuple((o.partition(":")[0], o.partition(":")[2]) for o in objects.split() if o != "-")
    plain = [word for word in more if word[0] != "~" and word not in ("sein", "dat") and "+" not in word]
    assert len(plain) == 1, line
    return Verb(
        name=" ".join([forms[0], *particles, preposition]).replace("'", "").strip()
        + ":"
        + infinitive.replace("|", "").replace("'", ""),
        english=forms,
        particles=particles,
        preposition=preposition,
        infinitive=(stem if bar else infinitive).replace("_", " "),
        prefix=prefix if bar else "",
        changed=next((word[1:] for word in more if word[0] == "~"), ""),
        participle=plain[0].replace("_", " "),
        auxiliary="sein" if "sein" in more else "haben",
        case=government.partition("+")[2] or ("dat" if "dat" in more else "acc"),
        german_preposition=government.partition("+")[0],
        chinese=_chinese(chinese.split(), has_object=bool(pairs)),
        kind=kind,
        subjects=frozenset(subjects.split()),
        objects=pairs,
        places=tuple(places.split()) if places != "-" else (),
        recipient=bool(recipient),
    )


def _split(text: str) -> list[str]:
    """Split at bars that have a space on at least one side."""
    return text.replace(" |", "\x00").replace("| ", "\x00").split("\x00")


ALL_VERBS = tuple(_verb(line) for line in VERBS.strip().splitlines())
BE = ALL_VERBS[-1]

"""Nouns in three languages: one line of the tables is one concept.

Columns: English (irregular plural after a slash) | German gender, singular, plural, then `weak` (n-declension) or `-s` (genitive in
-s where the rule would say -es) | Chinese word, classifier, then `bare` where "the X" is the bare noun (a role, a place, a part of
the room one is in) instead of 那 + classifier, or `kin` where "my X" needs no 的 | semantic classes.

The gender of a German word for a person decides the pronoun (he, she), so every role has one fixed gender here: a doctor is always
eine Ärztin. Otherwise English and Chinese would not say which German word is meant.
"""

# A line of a table is one concept, however long (and ruff counts a Chinese character twice).
# ruff: noqa: E501

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from . import english_forms


@dataclass(frozen=True, slots=True)
class Noun:
    """A common noun; `english` and `german` are (singular, plural)."""

    name: str
    english: tuple[str, str]
    gender: str  # m, f or n
    german: tuple[str, str]
    weak: bool
    genitive: str  # German genitive singular
    chinese: str
    classifier: str
    bare: bool
    kin: bool
    classes: frozenset[str]

    @property
    def sex(self) -> str:
        """m or f for a person that a pronoun may refer to, "" for the rest (das Kind would be `es`)."""
        return self.gender if self.classes & {"person", "kin"} and self.gender != "n" else ""


PEOPLE = """
man/men       | m Mann Männer               | 男人 个        | person adult
woman/women   | f Frau Frauen               | 女人 个        | person adult
child/children| n Kind Kinder               | 孩子 个        | person young
boy           | m Junge Jungen weak         | 男孩 个        | person young
girl          | n Mädchen Mädchen           | 女孩 个        | person young
teacher       | m Lehrer Lehrer             | 老师 位 bare   | person adult
doctor        | f Ärztin Ärztinnen          | 医生 位 bare   | person adult
nurse         | f Krankenschwester Krankenschwestern | 护士 位 bare | person adult
cook          | m Koch Köche -s             | 厨师 位 bare   | person adult
baker         | m Bäcker Bäcker             | 面包师 位 bare | person adult
farmer        | m Bauer Bauern weak         | 农民 个        | person adult
gardener      | m Gärtner Gärtner           | 园丁 位 bare   | person adult
student       | m Schüler Schüler           | 学生 个        | person young
professor     | f Professorin Professorinnen | 教授 位 bare  | person adult
lawyer        | f Anwältin Anwältinnen      | 律师 位 bare   | person adult
policeman/policemen | m Polizist Polizisten weak | 警察 个     | person adult
waiter        | m Kellner Kellner           | 服务员 个 bare | person adult
saleswoman/saleswomen | f Verkäuferin Verkäuferinnen | 售货员 个 bare | person adult
journalist    | f Journalistin Journalistinnen | 记者 位     | person adult
engineer      | m Ingenieur Ingenieure      | 工程师 位      | person adult
artist        | f Künstlerin Künstlerinnen  | 艺术家 位      | person adult
singer        | f Sängerin Sängerinnen      | 歌手 位        | person adult
musician      | m Musiker Musiker           | 音乐家 位      | person adult
painter       | m Maler Maler               | 画家 位        | person adult
writer        | f Schriftstellerin Schriftstellerinnen | 作家 位 | person adult
driver        | m Fahrer Fahrer             | 司机 位 bare   | person adult
pilot         | m Pilot Piloten weak        | 飞行员 位      | person adult
tourist       | m Tourist Touristen weak    | 游客 位        | person adult
guest         | m Gast Gäste                | 客人 位        | person adult
neighbour     | m Nachbar Nachbarn weak     | 邻居 个        | person adult friend
colleague     | f Kollegin Kolleginnen      | 同事 个        | person adult friend
boss          | m Chef Chefs -s             | 老板 个 bare   | person adult friend
friend        | m Freund Freunde            | 朋友 个        | person adult friend
customer      | m Kunde Kunden weak         | 顾客 位        | person adult
actor         | m Schauspieler Schauspieler | 演员 位        | person adult
dentist       | m Zahnarzt Zahnärzte        | 牙医 位 bare   | person adult
mechanic      | m Mechaniker Mechaniker     | 修理工 位 bare | person adult
postman/postmen | m Briefträger Briefträger | 邮递员 位 bare | person adult
soldier       | m Soldat Soldaten weak      | 士兵 个        | person adult
scientist     | f Wissenschaftlerin Wissenschaftlerinnen | 科学家 位 | person adult
secretary     | f Sekretärin Sekretärinnen  | 秘书 位 bare   | person adult
hairdresser   | m Friseur Friseure          | 理发师 位      | person adult
patient       | m Patient Patienten weak    | 病人 个        | person adult
mother        | f Mutter Mütter             | 妈妈 位 kin    | kin adult
father        | m Vater Väter               | 爸爸 位 kin    | kin adult
sister        | f Schwester Schwestern      | 妹妹 个 kin    | kin young
brother       | m Bruder Brüder             | 哥哥 个 kin    | kin young
grandmother   | f Großmutter Großmütter     | 奶奶 位 kin    | kin adult
grandfather   | m Großvater Großväter       | 爷爷 位 kin    | kin adult
aunt          | f Tante Tanten              | 阿姨 位 kin    | kin adult
uncle         | m Onkel Onkel               | 叔叔 位 kin    | kin adult
daughter      | f Tochter Töchter           | 女儿 个 kin    | kin young
son           | m Sohn Söhne                | 儿子 个 kin    | kin young
"""

ANIMALS = """
dog           | m Hund Hunde     | 狗 只   | animal pet fed
cat           | f Katze Katzen   | 猫 只   | animal pet fed
horse         | n Pferd Pferde   | 马 匹   | animal fed
cow           | f Kuh Kühe       | 牛 头   | animal fed
pig           | n Schwein Schweine | 猪 头 | animal fed
sheep/sheep   | n Schaf Schafe   | 羊 只   | animal fed
bird          | m Vogel Vögel    | 鸟 只   | animal pet fed
rabbit        | m Hase Hasen weak | 兔子 只 | animal pet fed
mouse/mice    | f Maus Mäuse     | 老鼠 只 | animal
duck          | f Ente Enten     | 鸭子 只 | animal fed
chicken       | n Huhn Hühner    | 鸡 只   | animal fed
monkey        | m Affe Affen weak | 猴子 只 | animal wild
elephant      | m Elefant Elefanten weak | 大象 头 | animal wild
"""

THINGS = """
potato        | f Kartoffel Kartoffeln | 土豆 个   | food vegetable peelable cookable
tomato        | f Tomate Tomaten   | 西红柿 个  | food vegetable
carrot        | f Karotte Karotten | 胡萝卜 根  | food vegetable peelable cookable
onion         | f Zwiebel Zwiebeln | 洋葱 个    | vegetable
apple         | m Apfel Äpfel      | 苹果 个    | food fruit peelable
pear          | f Birne Birnen     | 梨 个      | food fruit peelable
orange        | f Orange Orangen   | 橙子 个    | food fruit
banana        | f Banane Bananen   | 香蕉 根    | food fruit
egg           | n Ei Eier          | 鸡蛋 个    | food cookable
cake          | m Kuchen Kuchen    | 蛋糕 个    | food bakery dish
pizza         | f Pizza Pizzas     | 比萨饼 张  | food bakery dish
biscuit       | m Keks Kekse       | 饼干 块    | food bakery
sausage       | f Wurst Würste     | 香肠 根    | food dish
book          | n Buch Bücher      | 书 本      | readable gift item smallthing written
newspaper     | f Zeitung Zeitungen | 报纸 份   | readable item smallthing
magazine      | f Zeitschrift Zeitschriften | 杂志 本 | readable item smallthing
letter        | m Brief Briefe     | 信 封      | readable text smallthing post
postcard      | f Postkarte Postkarten | 明信片 张 | readable text post gift smallthing
poem          | n Gedicht Gedichte | 诗 首      | readable text
report        | m Bericht Berichte | 报告 份    | readable text post
novel         | m Roman Romane     | 小说 本    | readable written item gift
dictionary    | n Wörterbuch Wörterbücher | 词典 本 | item gift smallthing useful
story         | f Geschichte Geschichten | 故事 个 | tale text readable
film          | m Film Filme       | 电影 部    | watchable
play          | n Theaterstück Theaterstücke | 话剧 部 | watchable
picture       | n Bild Bilder      | 画 幅      | art gift showable
photo         | n Foto Fotos       | 照片 张    | showable post smallthing
map           | f Landkarte Landkarten | 地图 张 | item showable useful smallthing
ticket        | f Fahrkarte Fahrkarten | 车票 张 | smallthing useful item
key           | m Schlüssel Schlüssel | 钥匙 把 | smallthing useful
bag           | f Tasche Taschen   | 包 个      | item gift smallthing useful container
backpack      | m Rucksack Rucksäcke | 背包 个  | item gift smallthing useful
suitcase      | m Koffer Koffer    | 行李箱 个  | item container useful packable
box           | f Schachtel Schachteln | 盒子 个 | container smallthing
umbrella      | m Regenschirm Regenschirme | 雨伞 把 | item smallthing useful gift
watch         | f Armbanduhr Armbanduhren | 手表 块 | item gift smallthing fixable
ring          | m Ring Ringe       | 戒指 枚    | gift smallthing
phone         | n Handy Handys     | 手机 部    | item gift smallthing useful device fixable
computer      | m Computer Computer | 电脑 台   | item device useful fixable
television    | m Fernseher Fernseher | 电视机 台 | item device fixable
radio         | n Radio Radios     | 收音机 台  | item device fixable
camera        | f Kamera Kameras   | 照相机 台  | item gift smallthing useful fixable
lamp          | f Lampe Lampen     | 台灯 盏    | item gift device fixable
washing_machine | f Waschmaschine Waschmaschinen | 洗衣机 台 | device fixable
glass         | n Glas Gläser      | 玻璃杯 个  | breakable dishes
cup           | f Tasse Tassen     | 杯子 个    | breakable dishes
plate         | m Teller Teller    | 盘子 个    | breakable dishes
vase          | f Vase Vasen       | 花瓶 个    | breakable gift item
knife/knives  | n Messer Messer    | 刀 把      | useful item
ball          | m Ball Bälle       | 球 个      | gift toy smallthing item
doll          | f Puppe Puppen     | 娃娃 个    | gift toy item smallthing
guitar        | f Gitarre Gitarren | 吉他 把    | gift item useful
flower        | f Blume Blumen     | 花 朵      | gift plant paintable
tree          | m Baum Bäume       | 树 棵      | plant paintable
rose          | f Rose Rosen       | 玫瑰 朵    | gift plant paintable
shirt         | n Hemd Hemden      | 衬衫 件    | clothing item gift washable
jumper        | m Pullover Pullover | 毛衣 件   | clothing item gift washable
coat          | m Mantel Mäntel    | 大衣 件    | clothing item washable
jacket        | f Jacke Jacken     | 夹克 件    | clothing item washable
dress         | n Kleid Kleider    | 连衣裙 条  | clothing item washable womens
skirt         | m Rock Röcke       | 裙子 条    | clothing item washable womens
bicycle       | n Fahrrad Fahrräder | 自行车 辆 | vehicle item fixable washable gift
car           | n Auto Autos       | 汽车 辆    | vehicle item fixable washable
lorry         | m Lastwagen Lastwagen | 卡车 辆 | vehicle fixable washable
door          | f Tür Türen        | 门 扇 bare | opening
window        | n Fenster Fenster  | 窗户 扇 bare | opening cleanable
mirror        | m Spiegel Spiegel  | 镜子 面    | cleanable item
house         | n Haus Häuser      | 房子 座    | building paintable
flat          | f Wohnung Wohnungen | 公寓 套   | building
question      | f Frage Fragen     | 问题 个    | sayable
bill          | f Rechnung Rechnungen | 账单 张 | payable
bread roll/bread rolls | n Brötchen Brötchen | 小面包 个 | food bakery
"""

MASS = """
bread         | n Brot Brote      | 面包 个   | massfood baked cuttable
meat          | n Fleisch Fleisch | 肉 块     | massfood cuttable meatlike
cheese        | m Käse Käse       | 奶酪 块   | massfood cuttable
rice          | m Reis Reis       | 米饭 碗   | massfood cooked
soup          | f Suppe Suppen    | 汤 碗     | cooked
fish          | m Fisch Fische    | 鱼 条     | massfood meatlike
chocolate     | f Schokolade Schokoladen | 巧克力 块 | massfood
salad         | m Salat Salate    | 沙拉 份   | massfood
coffee        | m Kaffee Kaffee   | 咖啡 杯   | drink hot
tea           | m Tee Tee         | 茶 杯     | drink hot
water         | n Wasser Wasser   | 水 杯     | drink cold
milk          | f Milch Milch     | 牛奶 杯   | drink cold
juice         | m Saft Säfte      | 果汁 杯   | drink cold
beer          | n Bier Biere      | 啤酒 杯   | drink cold
wine          | m Wein Weine      | 葡萄酒 杯 | drink cold
Chinese       | n Chinesisch -    | 中文 种   | language
German        | n Deutsch -       | 德语 种   | language
English       | n Englisch -      | 英语 种   | language
French        | n Französisch -   | 法语 种   | language
Spanish       | n Spanisch -      | 西班牙语 种 | language
Japanese      | n Japanisch -     | 日语 种   | language
Italian       | n Italienisch -   | 意大利语 种 | language
"""

# Units that make a mass noun countable: a cup of coffee, eine Tasse Kaffee, 一杯咖啡. Chinese 杯 is cup or glass, as the drink wants.
MEASURES = """
cup_of        | f Tasse Tassen    | 杯 -  | hot
glass_of      | n Glas Gläser     | 杯 -  | cold
bottle_of     | f Flasche Flaschen | 瓶 - | cold
piece_of      | n Stück Stücke    | 块 -  | cuttable
"""


def parse_noun(line: str) -> Noun:
    english, german, chinese, classes = (column.strip() for column in line.split("|"))
    singular, _, plural = english.replace("_", " ").partition("/")
    gender, *forms = german.split()
    word, classifier, *flags = chinese.split()
    weak = "weak" in forms
    return Noun(
        name=english.partition("/")[0].replace(" ", "_"),
        english=(singular, plural or english_forms.plural(singular)),
        gender=gender,
        german=(forms[0], forms[1]),
        weak=weak,
        genitive=_genitive(forms[0], forms[1], gender, weak=weak, short="-s" in forms),
        chinese=word,
        classifier=classifier,
        bare="bare" in flags,
        kin="kin" in flags,
        classes=frozenset(classes.split()),
    )


def _genitive(singular: str, plural: str, gender: str, *, weak: bool, short: bool) -> str:
    """des Lehrers, des Mannes, des Jungen, der Frau."""
    if gender == "f":
        return singular
    if weak:
        return plural
    vowels = sum(
        1
        for here, before in zip(singular.lower(), " " + singular.lower(), strict=False)
        if here in "aeiouäöüy" and before not in "aeiouäöüy"
    )
    if singular.endswith(("s", "ß", "z", "x", "sch", "st", "zt")) or (vowels == 1 and not short):
        return singular + "es"
    return singular + "s"


@cache
def table(text: str) -> tuple[Noun, ...]:
    """The nouns of one of the tables above."""
    return tuple(parse_noun(line) for line in text.strip().splitlines())

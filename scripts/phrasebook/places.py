"""Places: nouns that a preposition has its own word for in each language, cities, and home.

After the columns of a noun come: English preposition | German preposition (dative) and that of the way there | Chinese localizer
(- for none) | tags that a verb chooses its places by.
"""

# A line of a table is one concept, however long (and ruff counts a Chinese character twice).
# ruff: noqa: E501

from __future__ import annotations

from dataclasses import dataclass

from .nouns import Noun, parse_noun


@dataclass(frozen=True, slots=True)
class PlaceNoun:
    """A noun with its prepositions in the three languages."""

    noun: Noun
    english: str
    german: str
    german_to: str
    chinese: str
    tags: frozenset[str]


@dataclass(frozen=True, slots=True)
class City:
    """A city: in Munich, in München, 在慕尼黑."""

    english: str
    german: str
    chinese: str


PLACES = """
kitchen      | f Küche Küchen        | 厨房 间 bare   | room   | in | in in     | 里 | home kitchen room
living_room  | n Wohnzimmer Wohnzimmer | 客厅 间 bare | room   | in | in in     | 里 | home room quiet tv
bedroom      | n Schlafzimmer Schlafzimmer | 卧室 间 bare | room | in | in in   | 里 | home room quiet bed tv
bathroom     | n Badezimmer Badezimmer | 浴室 间 bare | room   | in | in in     | 里 | room bath
garden       | m Garten Gärten       | 花园 个 bare   | room outside | in | in in | 里 | home outside play quiet dine animal nature
balcony      | m Balkon Balkone      | 阳台 个 bare   | room   | on | auf auf   | 上 | home quiet dine
cellar       | m Keller Keller       | 地下室 间 bare | room   | in | in in     | 里 | room storage
office       | n Büro Büros          | 办公室 间 bare | room   | in | in in     | 里 | room work goal
school       | f Schule Schulen      | 学校 所 bare   | house  | at | in in     | 里 | work learn goal sing play
university   | f Universität Universitäten | 大学 所 bare | house | at | an an  | 里 | work learn goal
hospital     | n Krankenhaus Krankenhäuser | 医院 家 bare | house | in | in in  | 里 | goal work
library      | f Bibliothek Bibliotheken | 图书馆 座 bare | house | in | in in | 里 | learn quiet goal work
museum       | n Museum Museen       | 博物馆 座 bare | house sight | in | in in | 里 | goal meet
theatre      | n Theater Theater     | 剧院 座 bare   | house  | in | in in     | 里 | goal meet sing
cinema       | n Kino Kinos          | 电影院 家 bare | house  | in | in in     | 里 | goal meet
restaurant   | n Restaurant Restaurants | 餐厅 家 bare | house | in | in in     | 里 | goal meet dine order work
café         | n Café Cafés          | 咖啡馆 家 bare | house  | in | in in     | 里 | goal meet dine order quiet work
hotel        | n Hotel Hotels        | 酒店 家 bare   | house  | in | in in     | 里 | goal meet work sleep tv
supermarket  | m Supermarkt Supermärkte | 超市 家 bare | house | in | in in     | 里 | goal shop meet work
bakery       | f Bäckerei Bäckereien | 面包店 家 bare | house  | in | in in     | 里 | goal meet work bakes
bookshop     | f Buchhandlung Buchhandlungen | 书店 家 bare | house | in | in in | 里 | goal meet work books
clothes_shop/clothes_shops | n Modegeschäft Modegeschäfte | 服装店 家 bare | house | in | in in | 里 | goal meet work clothes
market       | m Markt Märkte        | 市场 个 bare   | house  | at | auf auf   | 上 | goal shop meet
factory      | f Fabrik Fabriken     | 工厂 家 bare   | house  | in | in in     | 里 | work
workshop     | f Werkstatt Werkstätten | 修理厂 家 bare | house | in | in in    | 里 | work repair
castle       | n Schloss Schlösser   | 城堡 座 bare   | house sight | in | in in | 里 | goal meet
church       | f Kirche Kirchen      | 教堂 座 bare   | house sight | in | in in | 里 | goal sing
zoo          | m Zoo Zoos            | 动物园 个 bare | house sight | in | in in | 里 | goal meet zoo
park         | m Park Parks          | 公园 个 bare   | outside | in | in in    | 里 | goal outside meet play quiet dine sing animal nature
forest       | m Wald Wälder         | 森林 片 bare   | outside | in | in in    | 里 | goal outside nature
village      | n Dorf Dörfer         | 村子 个 bare   | outside | in | in in    | 里 | goal reside
street       | f Straße Straßen      | 街 条 bare     | outside | on | auf auf  | 上 | outside meet play
beach        | m Strand Strände      | 海滩 片 bare   | outside | on | an an    | 上 | goal outside meet play quiet
lake         | m See Seen            | 湖 个 bare     | outside | at | an an    | 边 | goal outside meet quiet nature
river        | m Fluss Flüsse        | 河 条 bare     | outside | by | an an    | 边 | goal outside meet quiet
swimming_pool | n Schwimmbad Schwimmbäder | 游泳池 个 bare | house | in | in in | 里 | goal swim
station      | m Bahnhof Bahnhöfe    | 火车站 个 bare | house  | at | an zu     | -  | goal meet pickup transit
airport      | m Flughafen Flughäfen | 机场 个 bare   | house  | at | an zu     | -  | goal meet pickup transit work
bus_stop     | f Bushaltestelle Bushaltestellen | 公共汽车站 个 bare | house | at | an zu | - | goal meet pickup
stadium      | n Stadion Stadien     | 体育场 座 bare | house  | in | in in     | 里 | goal meet sport
train        | m Zug Züge            | 火车 列 bare   | ride   | on | in in     | 上 | transit quiet
bus          | m Bus Busse           | 公共汽车 辆 bare | ride | on | in in     | 上 | transit
tram         | f Straßenbahn Straßenbahnen | 电车 辆 bare | ride | on | in in   | 上 | transit
plane        | n Flugzeug Flugzeuge  | 飞机 架 bare   | flight | on | in in     | 上 | transit quiet
table        | m Tisch Tische        | 桌子 张 bare   | furniture cleanable | on | auf auf | 上 | surface level
chair        | m Stuhl Stühle        | 椅子 把 bare   | furniture | on | auf auf | 上 | surface seat
sofa         | n Sofa Sofas          | 沙发 个 bare   | furniture | on | auf auf | 上 | surface seat liebed
bed          | n Bett Betten         | 床 张 bare     | furniture | on | auf auf | 上 | surface liebed
shelf/shelves | n Regal Regale       | 架子 个 bare   | furniture cleanable | on | auf auf | 上 | surface level
desk         | m Schreibtisch Schreibtische | 书桌 张 bare | furniture cleanable | on | auf auf | 上 | surface level
cupboard     | m Schrank Schränke    | 柜子 个 bare   | furniture cleanable | in | in in | 里 | inside
fridge       | m Kühlschrank Kühlschränke | 冰箱 台 bare | furniture cleanable | in | in in | 里 | inside cool
bench        | f Bank Bänke          | 长椅 张 bare   | furniture | on | auf auf | 上 | seat
"""

CITIES = """
Berlin Berlin 柏林
Hamburg Hamburg 汉堡
Munich München 慕尼黑
Cologne Köln 科隆
Vienna Wien 维也纳
Zurich Zürich 苏黎世
Paris Paris 巴黎
London London 伦敦
Rome Rom 罗马
Prague Prag 布拉格
Beijing Peking 北京
Shanghai Shanghai 上海
"""


def _place(line: str) -> PlaceNoun:
    columns = [column.strip() for column in line.split("|")]
    german, german_to = columns[5].split()
    localizer = "" if columns[6] == "-" else columns[6]
    return PlaceNoun(
        parse_noun("|".join(columns[:4])), columns[4], german, german_to, localizer, frozenset(columns[7].split())
    )


PLACE_NOUNS = tuple(_place(line) for line in PLACES.strip().splitlines())
CITY_NAMES = tuple(City(*line.split()) for line in CITIES.strip().splitlines())

"""Six short talks on different topics, written for these tests, to be joined into one recording."""

from __future__ import annotations

__all__ = ["TALKS"]

BEES = """
A honey bee colony in summer holds fifty thousand workers and a single queen. The queen lays up to two thousand eggs a
day, each in a cell of wax. Workers feed the larvae with pollen and honey, and cap the cells when the larvae are ready
to turn into adults. A young bee cleans cells first, then nurses the brood, then builds comb, and only in the last
weeks of her life does she fly out to forage. When a forager finds flowers rich in nectar, she returns to the hive and
dances on the comb. The angle of the dance tells the other bees in which direction the flowers lie, and its length
tells how far. Beekeepers have watched the dance for a century. In autumn the colony throws out its drones, and the
bees gather in a cluster around the queen to keep warm. They shiver with their flight muscles and eat the honey that
they stored. A beekeeper who takes all the honey has to feed the hive with sugar, or the colony starves before spring.
The worst enemy of the hive is a mite that feeds on the brood.
"""
STEAM = """
The first steam engines pumped water out of coal mines. Newcomen's engine filled a cylinder with steam and cooled it
with a spray of cold water, so that the air outside pressed the piston down. It burnt a mountain of coal, because the
cylinder was heated and cooled with every stroke. James Watt saw that the steam could be condensed in a separate
vessel, and the cylinder kept hot. His condenser saved three quarters of the coal. With the crank and the governor,
the engine could drive the machines of a cotton mill, and factories no longer had to stand beside a river. Trevithick
raised the pressure of the boiler and put the engine on wheels. Boilers burst in those years, and engineers learnt to
rivet better plates. When Stephenson built the Rocket, its boiler had twenty five tubes, which gave the fire more
surface to heat the water. The locomotive ran at thirty miles an hour, and within twenty years rails covered the
country. Steam drove ships, too, once the screw had replaced the paddle wheel, and compound cylinders used the same
steam twice.
"""
BREAD = """
Good bread needs nothing but flour, water, salt and time. Mix the flour and the water first and let the dough rest for
half an hour, so that the gluten can form without kneading. Then add the salt and the sourdough. A sourdough is a
culture of wild yeast and bacteria, which has to be fed with fresh flour every day. The yeast raises the dough, and
the bacteria make it sour and keep the bread from going stale. Fold the dough every half hour while it rises, and stop
when it has grown by half. Shape the loaf on a floured table, with a tight skin, and lay it in a basket. Overnight in
the refrigerator the dough gains flavour. The oven must be as hot as it gets, with a heavy pot inside. Drop the loaf
into the hot pot, cut the crust with a razor, and close the lid, because the dampness from the dough keeps the crust
soft until the loaf has risen. After twenty minutes take the lid off and bake until the crust is dark. Let the bread
cool before you slice it, or the crumb will be gummy. Rye flour has little gluten, so a rye loaf is denser.
"""
TIDES = """
Twice a day the sea rises and falls on most coasts, and the moon is the reason. The moon pulls at the near side of the
ocean more than at the far side, and so the water bulges on both. As the earth turns, every coast passes through both
bulges. The sun raises tides as well, but less than half as high. At full and new moon the two act together and give
spring tides, and at the quarters they give neap tides. A bay can make the tide far higher, if the water swings in it
at the same beat as the moon. In the Bay of Fundy the sea rises by sixteen metres. In the Mediterranean there is
hardly any tide at all. Sailors had tide tables long before anybody could explain the tide, and harbours kept them
secret. Lord Kelvin built a machine of brass wheels and pulleys that drew the tide of a harbour for a year ahead. Each
wheel stood for one motion of the moon or the sun. The same currents that fill the bay can drive turbines under the
sea. The tide also brakes the earth, so that the day grows longer, and the moon drifts away by four centimetres every
year.
"""
CHESS = """
A game of chess has an opening, a middlegame and an endgame. In the opening, a player brings out knights and bishops,
fights for the centre with pawns, and castles so that the king is safe. Beginners move the queen too early and lose
time when she is attacked. In the middlegame, tactics decide. A fork attacks two pieces at once, and a pin holds a
piece that shields the king. Grandmasters see such patterns at a glance, because they have stored tens of thousands of
them. When most pieces have been exchanged, the king becomes strong and walks to the centre. A single extra pawn may
win the endgame, if it can march to the last rank and become a queen. Rook endgames are the most common and the
hardest. In the nineteen fifties engineers began to teach chess to computers. A program searched a few moves ahead and
counted the pieces. Deep Blue, which beat the world champion Kasparov, looked at two hundred million positions a
second. Today a program that has played only against itself judges a position better than any grandmaster, and players
prepare every opening with it. Still, a tournament is full, and people watch two players at a board with a clock.
"""
ICE = """
A glacier begins where more snow falls in winter than melts in summer. Layer upon layer, the snow is pressed into ice,
and when the ice is thick enough it starts to flow downhill under its own weight. In the middle a glacier flows faster
than at its sides, and the strain opens crevasses at the surface. Climbers cross them on bridges of snow, tied to a
rope. The ice carries rocks with it and grinds the valley into the shape of a trough. Where the glacier ends, it drops
the rocks in a ridge, which is called a moraine. Such moraines tell how far the ice reached in colder ages. In
Greenland and the Antarctic the ice is three kilometres thick. Scientists drill cores out of it, and the bubbles in
the cores hold the air of eight hundred thousand winters. From the bubbles they measure how much carbon dioxide there
was. Almost all glaciers of the Alps are shrinking now. The snow line climbs, dark rock lies bare and takes up more
heat, and lakes of meltwater collect behind old moraines. When such a lake breaks through, a flood rushes down the
valley. In dry summers rivers live on melting ice, and farmers who depend on them will miss the glacier when it is
gone.
"""
TALKS = {
    name: " ".join(talk.split())
    for name, talk in (
        ("bees", BEES),
        ("steam", STEAM),
        ("bread", BREAD),
        ("tides", TIDES),
        ("chess", CHESS),
        ("ice", ICE),
    )
}

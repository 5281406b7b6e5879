"""Captions that a tokenizer finds hard, drawn from a seed."""

import random

WORDS = """
a the The In It man woman dogs ball red black-and-white running stands on grass snow-covered T-shirt
x-ray 5-year-old mother-in-law's well-dressed Spider-Man jack-o'lantern co-op
it's don't can't won't isn't they've she'd I'm he'll dogs' dog's James' o'clock O'Brien d'Artagnan
y'all ma'am 'em 'til 'cause 'n' rock'n'roll '90s 90's cannot gonna gotta wanna gimme lemme don’t
it’s ’90s "hello" 'hello' “hello” ‘hello’ «hello» ``hello'' (red) [red] {red} hello) (hello
Mr. Mrs. Dr. St. Jr. Inc. Co. etc. e.g. i.e. vs. No. Fig. Jan. ft. Ph.D. U.S. U.S U.S.A. a.m. p.m.
J. B. 1,000 3.5 .5 -5 +5 10:30 10:30pm 10:30am 1st 22nd 1990s 2x4 4x4 100% 50 12/25/2010
2010-12-25 1/2 5'10" 6'2 555-1234 (555) ½ 1½ $5 $3.50 £5 €20 5¢ US$5 #1 #dog @user
http://a.com/b.jpg www.flickr.com flickr.com/photos/5 john@mail.com IMG_0001.jpg dog.jpg a_b
and/or w/ w/o his/her A/C AT&T R&B Q&A & &amp; &lt; C++ <3 :) ;-) :( :D ^_^ -_- <b>
. , ; : ! ? !! ?! ... .. .... … - -- --- ----- – — _ / * ** + = % @ # ~ ^ | \\ ' " ` ″ ° © ™ ★ • × ²
café naïve Zürich straße İstanbul собака ΑΒΣ 日本語 한국어 كلب שלום हिन्दी ไทย e\u0301clair 20°C
😀 dog😀 ❤️ 👍🏽 👨‍👩‍👧 ☀ ♥ \u200b \u00a0 \u00ad
""".replace("\n", " ").split(" ")  # noqa: SIM905
GLUE = [".", ",", "!", "?", ";", ":", "'", '"', ")", "-", "/", "&", "...", "--", "'s", "’s", "–"]
ENDS = ["", ".", " .", "!", "?", "...", " "]


def nasty_captions(count: int, seed: int) -> list[str]:
    """Draw captions: plain words among hard ones, some with signs or other words stuck to them."""
    generator = random.Random(seed)
    words = [word for word in WORDS if word]

    def part():
        word = generator.choice(words)
        chance = generator.random()
        if chance < 0.1:
            word += generator.choice(GLUE)
        elif chance < 0.15:
            word += generator.choice(GLUE) + generator.choice(words)
        elif chance < 0.2:
            word = generator.choice("\"'(“‘[-") + word
        return word.upper() if generator.random() < 0.02 else word

    captions = []
    for _ in range(count):
        space = generator.choice([" "] * 9 + ["  "])
        parts = [part() for _ in range(generator.randint(0, 12))]
        captions.append(space.join(parts) + generator.choice(ENDS))
    return captions


def caption_pairs(count: int, seed: int) -> list[str]:
    """Draw pairs of captions with something hard at the end of one and the beginning of the other.

    Half of the ends are what the following line can change.
    """
    generator = random.Random(seed)
    words = [word for word in WORDS if word]
    short = ["K.", "a.", "\u00c9.", "J. B.", "No.", "fig.", "pp.", "K. ", "no. "]
    firsts = "A An AN The the It In Mr. Mrs. You YET My a A, A's <b> </b> <b>x 5 5th 1/2 .5 -5 (5)"
    captions = []
    for _ in range(count):
        end = generator.choice(words) + generator.choice(["", *GLUE])
        begin = generator.choice(words)
        if generator.random() < 0.5:
            end, begin = generator.choice(short), generator.choice([begin, *firsts.split(" ")])
        between = generator.choice([[]] * 9 + [[""], [" "]])
        captions += [f"dog {end}", *between, f"{begin} cat"]
    return captions

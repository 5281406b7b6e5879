"""Draw the diagrams of the tutorial as SVG: `python docs/tutorial/diagrams.py` writes them here."""

import math
from html import escape
from pathlib import Path

INK, GREY, BLUE, RED, GREEN = "#1f2933", "#66727f", "#2563a8", "#c0392b", "#2e7d4f"
VALUE, WEIGHT, STEP, LOSS = "#eef2f6", "#fdf0d5", "#dceaf7", "#fbe3e0"


class Drawing:
    """Boxes, circles, arrows and words on a white sheet; places are those of their centres."""

    def __init__(self, width: int, height: int, title: str):
        self.width, self.height = width, height
        self.parts = [
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
        ]

    def text(self, x, y, words, colour=INK, size=14, anchor="middle"):
        """Write words; `anchor` is `start` where they begin at x, `end` where they end there."""
        self.parts.append(
            f'<text x="{x:g}" y="{y + 0.35 * size:g}" fill="{colour}" font-size="{size}"'
            f' text-anchor="{anchor}">{escape(words)}</text>'
        )

    def box(self, x, y, words, fill=VALUE, w=76, h=34):
        """Draw a box: a value, weights, or a function."""
        self.parts.append(
            f'<rect x="{x - w / 2:g}" y="{y - h / 2:g}" width="{w}" height="{h}" rx="5"'
            f' fill="{fill}" stroke="{GREY}"/>'
        )
        self.text(x, y, words)

    def circle(self, x, y, words, colour=INK, r=15):
        """Draw a circle: something that joins what enters it."""
        self.parts.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{r}" fill="#fff" stroke="{colour}"'
            ' stroke-width="1.5"/>'
        )
        self.text(x, y, words, colour)

    def arrow(self, *points, colour=INK, dashed=False):
        """Draw a line through points, with a head at the last."""
        (x0, y0), (x1, y1) = points[-2:]
        angle = math.atan2(y1 - y0, x1 - x0)
        head = [(x1, y1)] + [
            (x1 - 9 * math.cos(angle + turn), y1 - 9 * math.sin(angle + turn))
            for turn in (-0.4, 0.4)
        ]
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts += [
            f'<polyline points="{_places(points)}" fill="none" stroke="{colour}"'
            f' stroke-width="1.5"{dash}/>',
            f'<polygon points="{_places(head)}" fill="{colour}"/>',
        ]

    def svg(self) -> str:
        """Return the drawing as a file's content."""
        opening = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}"'
            f' width="{self.width}" height="{self.height}"'
            ' font-family="Helvetica, Arial, sans-serif">'
        )
        return "\n".join([opening, *self.parts, "</svg>", ""])


def _places(points):
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def rnn_step() -> Drawing:
    """Draw one step as a graph: values in black, gradients in red."""
    d = Drawing(760, 300, "One step of the vanilla RNN as a graph, with the gradient of each part")
    for y, value, weights, shapes, gradients in [
        (70, "x", "Wx", ("(N, D)", "(D, H)"), ("dx = da Wxᵀ", "dWx = xᵀ da")),
        (190, "prev_h", "Wh", ("(N, H)", "(H, H)"), ("dprev_h = da Whᵀ", "dWh = prev_hᵀ da")),
    ]:
        d.box(70, y, value)
        d.text(70, y - 28, shapes[0], GREY, 12)
        d.text(70, y + 31, gradients[0], RED, 13)
        d.box(190, y + 62, weights, WEIGHT)
        d.text(190, y + 91, shapes[1], GREY, 12)
        d.text(236, y + 62, gradients[1], RED, 13, "start")
        d.circle(190, y, "×")
        d.arrow((108, y), (174, y))
        d.arrow((190, y + 45), (190, y + 16))
    d.circle(360, 130, "+")
    d.arrow((205, 70), (347, 121))
    d.arrow((205, 190), (347, 139))
    d.box(360, 42, "b", WEIGHT)
    d.text(406, 34, "(H,)", GREY, 12, "start")
    d.text(406, 52, "db = Σₙ da[n]", RED, 13, "start")
    d.arrow((360, 59), (360, 114))
    d.box(480, 130, "tanh", STEP)
    d.arrow((375, 130), (441, 130))
    d.text(408, 116, "a")
    d.text(480, 161, "da = dnext_h · (1 − next_h²)", RED, 13)
    d.box(620, 130, "next_h")
    d.arrow((518, 130), (581, 130))
    d.text(550, 116, "(N, H)", GREY, 12)
    d.arrow((620, 112), (620, 60))
    d.text(620, 46, "to the scores")
    d.arrow((658, 130), (735, 130))
    d.text(700, 146, "next step", INK, 12)
    d.text(640, 190, "dnext_h: the sum of what", RED, 13)
    d.text(640, 207, "comes back on both arrows", RED, 13)
    return d


def captioner() -> Drawing:
    """Draw the captioning network over four steps, with shapes."""
    d = Drawing(830, 470, "The captioning network: features, words, states, scores and loss")
    words = ["<START>", "a", "red", "heart", "<END>"]
    target, scores, state, vector, word = 60, 150, 240, 330, 415
    d.box(80, vector, "features")
    d.text(80, vector + 28, "(N, F)", GREY, 12)
    d.box(80, state, "h0")
    d.text(80, state - 28, "(N, H)", GREY, 12)
    d.arrow((80, vector - 17), (80, state + 17))
    for y, weights in [(277, "W_proj,"), (293, "b_proj")]:
        d.text(88, y, weights, BLUE, 12, "start")
    for number, (read, wanted) in enumerate(zip(words, words[1:], strict=False), start=1):
        x = 95 + 150 * number
        for y, label, fill in [
            (word, read, VALUE),
            (vector, "x", VALUE),
            (state, f"h{number}", STEP),
            (scores, "scores", VALUE),
            (target, wanted, LOSS),
        ]:
            d.box(x, y, label, fill)
        for low, high in [(word, vector), (vector, state), (state, scores), (scores, target)]:
            d.arrow((x, low - 17), (x, high + 17))
        d.arrow((118 if number == 1 else x - 112, state), (x - 38, state))
        d.text(x - 82 if number == 1 else x - 75, state - 12, "Wh", BLUE, 12)
    for y, weights in [
        ((word + vector) / 2, "W_embed"),
        ((vector + state) / 2, "Wx, b"),
        ((state + scores) / 2, "W_vocab, b_vocab"),
        ((scores + target) / 2, "softmax loss"),
    ]:
        d.text(237, y, weights, BLUE, 12, "end")
    for y, shape in [
        (word, "(N,) ids"),
        (vector, "(N, D)"),
        (state, "(N, H)"),
        (scores, "(N, V)"),
        (target, "(N,) ids"),
    ]:
        d.text(745, y, shape, GREY, 12, "start")
    d.text(470, 22, "the next word, which the loss asks for", INK, 13)
    d.text(470, 450, "in training the true words; at test time those that it has written", INK, 13)
    return d


def lstm_cell() -> Drawing:
    """Draw the LSTM's step: one product cut into four gates, and the memory above them."""
    d = Drawing(850, 430, "The LSTM cell: one product cut into four gates, and the memory's path")
    d.box(60, 330, "x")
    d.text(60, 358, "(N, D)", GREY, 12)
    d.box(60, 250, "prev_h")
    d.text(60, 222, "(N, H)", GREY, 12)
    d.box(205, 290, "x Wx + prev_h Wh + b", STEP, w=164)
    d.arrow((98, 330), (135, 308))
    d.arrow((98, 250), (135, 272))
    d.text(205, 322, "a   (N, 4H)", GREY, 12)
    for y, function, gate, purpose, columns in [
        (150, "σ", "f", "keep", "H : 2H"),
        (215, "σ", "i", "write", "0 : H"),
        (280, "tanh", "g", "what to write", "3H : 4H"),
        (345, "σ", "o", "read", "2H : 3H"),
    ]:
        d.arrow((287, 290), (312, y), (336, y))
        d.box(375, y, function, STEP, h=30)
        d.text(375, y + 25, f"a[:, {columns}]", GREY, 11)
        d.text(421, y - 11, gate, BLUE, 15, "start")
        d.text(434, y - 10, purpose, GREY, 11, "start")
    d.box(60, 60, "prev_c")
    d.box(780, 60, "next_c")
    d.box(780, 345, "next_h")
    d.box(690, 215, "tanh", STEP, w=60)
    for x, y, sign in [(530, 60, "⊙"), (610, 60, "+"), (610, 215, "⊙"), (690, 345, "⊙")]:
        d.circle(x, y, sign)
    for points in [
        [(98, 60), (514, 60)],
        [(545, 60), (594, 60)],
        [(625, 60), (741, 60)],
        [(413, 150), (530, 150), (530, 76)],
        [(413, 215), (594, 215)],
        [(413, 280), (610, 280), (610, 231)],
        [(610, 199), (610, 76)],
        [(690, 60), (690, 197)],
        [(690, 232), (690, 329)],
        [(413, 345), (674, 345)],
        [(705, 345), (741, 345)],
    ]:
        d.arrow(*points)
    d.arrow((740, 38), (100, 38), colour=RED, dashed=True)
    d.text(
        420, 20, "along the memory the gradient is multiplied by f: dprev_c = dnext_c ⊙ f", RED, 13
    )
    d.text(270, 405, "next_c = f ⊙ prev_c + i ⊙ g")
    d.text(560, 405, "next_h = o ⊙ tanh(next_c)")
    return d


def gradient_sums() -> Drawing:
    """Draw the gradients' way back over four steps, with a plus where paths meet."""
    d = Drawing(
        850, 480, "Backpropagation through time: where gradients of several paths are summed"
    )
    weights, loss, state, word, row = 45, 145, 250, 350, 430
    d.box(450, weights, "Wx, Wh, b: the sum over all steps", WEIGHT, w=600)
    d.box(60, state, "h0")
    d.box(60, word, "features")
    d.arrow((60, state + 17), (60, word - 17), colour=RED)
    for y, gradient in [(293, "dW_proj,"), (309, "db_proj")]:
        d.text(68, y, gradient, RED, 12, "start")
    d.text(60, word + 28, "not trained:", GREY, 12)
    d.text(60, word + 43, "it ends here", GREY, 12)
    for number, text in enumerate(["<START>", "two", "by", "two"], start=1):
        x = 60 + 172 * number
        d.box(x, loss, f"loss {number}", LOSS)
        d.box(x, state, f"h{number}", STEP)
        d.box(x, word, text)
        d.arrow((x, loss + 17), (x, state - 17), colour=RED)
        d.arrow((x - 38, state), (x - 134, state), colour=RED)
        d.text(x - 86, state + 13, "da Whᵀ", RED, 12)
        d.arrow((x, state + 17), (x, word - 17), colour=RED)
        d.text(x + 8, (state + word) / 2, f"dx of step {number}", RED, 12, "start")
        side = x - 55
        d.arrow((x - 30, state - 17), (side, loss), (side, weights + 17), colour=GREEN, dashed=True)
        if number < 4:
            d.circle(x + 38, state - 17, "+", RED, 12)
    d.box(580, row, "W_embed, the row of “two”: the sum over its places", WEIGHT, w=400)
    d.arrow((404, word + 17), (430, row - 17), colour=RED)
    d.arrow((748, word + 17), (730, row - 17), colour=RED)
    d.text(330, 466, "+  a state is used by its scores and by the next step", RED, 13)
    return d


DIAGRAMS = {
    "rnn_step": rnn_step,
    "captioner": captioner,
    "lstm_cell": lstm_cell,
    "gradient_sums": gradient_sums,
}

if __name__ == "__main__":
    for name, draw in DIAGRAMS.items():
        (Path(__file__).parent / f"{name}.svg").write_text(draw().svg(), encoding="utf-8")

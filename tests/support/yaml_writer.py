"""Valid YAML in every style that people and programs write, as random as it gets."""

from __future__ import annotations

from random import Random

SCALARS = (
    *("a", "word", "two words", "x:y", "http://h/p#q", "-1", "1.5", "true", "null", "~", "007", "12:30", "1e3", "é ü"),
    *(
        "'single'",
        "'it''s'",
        "'a \"b\"'",
        "'back\\slash'",
        "'0 6 * * 1'",
        "''",
        "'{{ values.x }}'",
        '"{{ a }} - {% b %}"',
    ),
    *(
        '"double"',
        '"esc \\" \\n \\u00e9"',
        '"# no comment"',
        "'# no comment'",
        '""',
        "- x"[2:],
        "a#b",
        "\u4e2d\u6587",
        "\u2028",
    ),
)
MULTI = (
    "plain over\n{0}lines",
    "'quoted over\n\n{0}lines'",
    '"escaped \\\n{0}\\  end"',
    '"kept \\ \n{0}\n{0}x"',
    "a\n\n{0}b",
)
TEXTS = (
    ("one", "two"),
    ("", "one"),
    ("one", "", "", "two", ""),
    ("one  ", "  deeper", "\ttab", "# no comment"),
    ("one", "", ""),
    ("---x", "key: value"),
)


class Writer:
    """Writes one file; every comment is `# c<number>`, which no scalar has."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.comments = 0
        self.names = 0
        self.anchors: list[str] = []
        self.mappings: list[str] = []

    def file(self) -> str:
        count = self.random.randint(1, 3)
        text = self.lines(0, 0.4) + self.pick("", "", "---\n", "--- " + self.comment() + "\n", "%YAML 1.1\n---\n")
        for number in range(count):
            self.anchors, self.mappings = [], []
            text += self.document()
            if number < count - 1:
                text += self.pick("---\n", "---\n", "...\n---\n", "--- " + self.comment() + "\n", "---\n---\n")
        text += self.pick("", "", "...\n", "---\n", self.comment())
        text = self.pick(text, text, text.rstrip("\n")) if not text.endswith(("\n\n", " ")) else text
        return text.replace("\n", self.pick("\n", "\n", "\n", "\r\n", "\r"))

    def document(self) -> str:
        kind = self.random.random()
        if kind < 0.1:
            return self.flow(0, 1) + self.eol(0)
        if kind < 0.2:
            return self.sequence(0, self.pick(0, 0, 2))
        if kind < 0.6:
            return self.manifest()
        return self.mapping(0, self.pick(0, 0, 3))

    def manifest(self) -> str:
        keys = ["apiVersion", "kind", "metadata", "lifecycle", "spec", "other"]
        self.random.shuffle(keys)
        text = ""
        for key in keys[: self.random.randint(3, 6)] + ["apiVersion"] * ("apiVersion" not in keys):
            text += self.lines(0, 0.3) + f"{key}:" + self.value(1, 0)
        return text

    def pick(self, *choices):
        return self.random.choice(choices)

    def comment(self) -> str:
        self.comments += 1
        return f"# c{self.comments}" + self.pick("", "", " ", "\t", " text: [x")

    def lines(self, column: int, chance: float) -> str:
        """Comments and blank lines of their own."""
        text = ""
        while self.random.random() < chance:
            pad = " " * max(0, column + self.pick(0, 0, 0, -1, 1, 2, -2, 4))
            text += self.pick("\n", "  \n", f"{pad}{self.comment()}\n", f"{pad}{self.comment()}\n")
        return text

    def eol(self, column: int) -> str:
        behind = self.pick(" ", "  ", "  ", "       ") + self.comment() if self.random.random() < 0.25 else ""
        return behind + self.pick("", "", "", " ") + "\n" + self.lines(column, 0.2)

    def gap(self) -> str:
        return self.pick(" ", " ", " ", "  ", "     ") if self.random.random() < 0.97 else "\t"

    def name(self) -> str:
        self.names += 1
        return f"n{self.names}"

    def mapping(self, depth: int, column: int, *, begun: bool = False) -> str:
        text = ""
        if self.mappings and self.random.random() < 0.2:
            text += f"<<:{self.gap()}*{self.pick(*self.mappings)}" + self.eol(column)
            text = text if begun else " " * column + text
            begun = False
        for _ in range(self.random.randint(1, 4)):
            key = self.pick("{}", "{}", "{}", "'{}'", '"{} x"', "? {}\n").format(self.name())
            key += " " * column if key.endswith("\n") else self.pick("", "", "", " ")
            text += ("" if begun else " " * column) + f"{key}:" + self.value(depth + 1, column)
            begun = False
        return text

    def sequence(self, depth: int, column: int, *, begun: bool = False) -> str:
        text = ""
        for _ in range(self.random.randint(1, 4)):
            text += ("" if begun else " " * column) + "-" + self.item(depth + 1, column)
            begun = False
        return text

    def item(self, depth: int, column: int) -> str:
        kind = self.random.random()
        width = self.pick(1, 1, 1, 2, 3)
        if depth < 4 and kind < 0.25:
            return " " * width + self.mapping(depth, column + 1 + width, begun=True)
        if depth < 4 and kind < 0.35:
            return " " * width + self.sequence(depth, column + 1 + width, begun=True)
        return self.value(depth, column, listed=True)

    def value(self, depth: int, column: int, *, listed: bool = False) -> str:
        kind = self.random.random()
        inner = column + self.pick(1, 2, 2, 4, 5)
        if depth < 4 and kind < 0.15:
            return self.held(self.mapping, depth, inner, self.mappings)
        if depth < 4 and kind < 0.3:
            return self.held(self.sequence, depth, inner if listed else self.pick(column, inner), self.anchors)
        texts = (
            lambda: self.gap() + self.block_text(column, listed),
            lambda: self.gap() + self.flow(column, depth) + self.eol(column),
            lambda: self.gap() + self.pick(*MULTI).format(" " * inner) + self.eol(column),
            lambda: self.eol(column),
            lambda: self.eol(column) + " " * inner + self.pick(*SCALARS) + self.eol(column),
            lambda: f"{self.gap()}*{self.pick(*self.anchors)}" + self.eol(column) if self.anchors else self.eol(column),
            lambda: self.gap() + self.pick("", "", "", "!!str ", "!  ") + self.pick(*SCALARS) + self.eol(column),
        )
        return self.pick(*texts, texts[-1], texts[-1], texts[-1])()

    def held(self, make, depth: int, column: int, kept: list[str]) -> str:
        """A block in lines of its own, perhaps with an anchor."""
        name = self.name() if self.random.random() < 0.3 else ""
        text = (f"{self.gap()}&{name}" if name else "") + self.eol(column) + make(depth, column)
        if name:
            kept.append(name)
            self.anchors.append(name)
        return text

    def block_text(self, column: int, listed: bool) -> str:
        indented, lines = self.pick(1, 2, 3, 4), self.pick(*TEXTS)
        chomp = self.pick("", "", "-", "+")
        stated = "" if not listed and self.random.random() < 0.7 else str(indented)
        stated = "" if listed else stated  # where a list stands as far left as its key, they count from the key
        first = next((line for line in lines if line), "")
        head = self.pick("|", ">") + self.pick(stated + chomp, chomp + stated)
        head += self.pick("", "", "  ", " " + self.comment())
        pad = " " * (column + indented)
        extra = "  " if stated and first and self.random.random() < 0.5 else ""
        return head + "\n" + "".join(f"{pad}{extra}{line}\n" if line else "\n" for line in lines)

    def flow(self, column: int, depth: int) -> str:
        opened, closed = self.pick("[]", "{}")
        items = []
        for _ in range(self.random.randint(0, 4)):
            kind = self.random.random()
            value = self.flow(column, depth + 1) if depth < 4 and kind < 0.2 else self.pick(*SCALARS)
            if self.anchors and kind > 0.9:
                value = f"*{self.pick(*self.anchors)} "
            items.append(value if opened == "[" else f"{self.name()}{self.pick('', ' ')}: {value}")
        broken = self.random.random() < 0.3
        text = opened
        for item in items:
            text += self.break_(column, broken=broken) + item + self.break_(column, broken=False) + ","
        text = text if not items or self.random.random() < 0.2 else text[:-1]
        return text + (self.break_(column, broken=broken) if items or not broken else "") + closed

    def break_(self, column: int, *, broken: bool) -> str:
        if not broken:
            return self.pick("", "", " ", "  ")
        behind = "  " + self.comment() if self.random.random() < 0.2 else ""
        return behind + "\n" + " " * (column + self.pick(1, 2, 4, 9))

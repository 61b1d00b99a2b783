"""The colours of the page, by what they are for: styles, theme, saved pictures and figures take them here."""

LIGHT = {
    "ground": "#f7f6f2",
    "paper": "#fffefa",
    "raised": "#ffffff",
    "ink": "#1a1c22",
    "soft": "#595d66",
    "rule": "#d8d5cc",
    "alarm": "#a4133c",
    "blue": "#2b65a8",
    "orange": "#b04a00",
}
DARK = {
    "ground": "#101215",
    "paper": "#1e2127",
    "raised": "#191c21",
    "ink": "#eceae4",
    "soft": "#a3a7b0",
    "rule": "#34383f",
    "alarm": "#ff8fa3",
    "blue": "#82b8f4",
    "orange": "#ffa366",
}

OF_VARIANT = {"ce": "blue", "cam": "orange"}  # any other is shown in "alarm"
SERIES = (LIGHT["blue"], LIGHT["orange"], "#3f7d3a", "#7b4fa3", "#8a6d00", "#a8324a")  # of lines in one figure
SERIES_DARK = (DARK["blue"], DARK["orange"], "#86c97f", "#c9a5ec", "#d9bd55", "#f08ca0")  # where the page is dark


def custom_properties() -> str:
    """CSS for the head of a component's style: each colour as `--NAME`, the dark one where the page is dark."""
    light, dark = (" ".join(f"--{name}: {colour};" for name, colour in colours.items()) for colours in (LIGHT, DARK))
    return f"{light}\n.dark & {{ {dark} }}\n"

"""A figure that matplotlib drew as SVG, made to stand in a page of HTML beside any others.

What names things (ids, clips) or reaches beyond the figure (a style sheet for everything, a
document type, addresses) is gone: markers become paths of their own, so there is no name to clash.
Text stays text. The ink is the colour of the page's text, and what was white is its background: the
property --paper, or what the browser takes for one.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

FONTS = "'DejaVu Sans',Verdana,sans-serif"  # Verdana is about as wide

_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?")
_COMMAND = re.compile(r"([MLCQz])([^MLCQz]*)")
_LEFT_OUT = {"font-family", "clip-path", "id", "stroke-dashoffset"}

Style = dict[str, str]


def inline(data: bytes, title: str, ink: str, paper: str) -> bytes:
    """The figure as one <svg> element; title is what a screen reader says of it. ink, paper: the
    colours, as #rrggbb, that become those of the page."""
    drawn = ET.fromstring(data)
    box = [float(number) for number in drawn.get("viewBox", "").split()]
    root = ET.Element("svg", {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": " ".join(map(_short, box)),
        "width": f"{box[2] * 4 / 3:.0f}",
        "height": f"{box[3] * 4 / 3:.0f}",
        "role": "img",
        "aria-label": title.replace("\n", " "),
        "font-family": FONTS,
        "stroke-linejoin": "round",
        "style": "max-width:100%;height:auto",
    })  # fmt: skip
    markers = {f"#{own.get('id')}": own for own in drawn.iter(f"{_SVG}path") if own.get("id")}
    for tag, path, style, own in _shapes(drawn, markers):
        if tag == "text":
            made = ET.SubElement(root, tag, _text_place(own))
            made.text = own.text
        elif style.get("fill") == "none" and style.get("stroke", "none") == "none":
            continue
        else:
            made = ET.SubElement(root, tag, {"d": path})
        _dress(made, style, ink, paper)
    return ET.tostring(root, encoding="unicode").encode()


def _shapes(
    drawn: ET.Element, markers: dict[str, ET.Element]
) -> Iterator[tuple[str, str, Style, ET.Element]]:
    """Tag, path, style and element of all that is seen, back to front; markers of one style that
    follow one another are one path."""
    pending: tuple[str, Style, ET.Element] | None = None
    for own in _seen(drawn):
        tag = own.tag.removeprefix(_SVG)
        style = _style(own)
        if tag == "use":
            marker = markers[own.get(_HREF, "")]
            style |= _style(marker)
            at = f"M{_short(float(own.get('x', 0)))} {_short(float(own.get('y', 0)))}"
            path = at + _relative(marker.get("d", ""))
            if pending is not None and pending[1] == style:
                path = pending[0] + path
            elif pending is not None:
                yield "path", *pending
            pending = path, style, own
            continue
        if pending is not None:
            yield "path", *pending
            pending = None
        yield tag, _rounded(own.get("d", "")), style, own
    if pending is not None:
        yield "path", *pending


def _seen(element: ET.Element) -> Iterator[ET.Element]:
    for own in element:
        if own.tag == f"{_SVG}g":
            yield from _seen(own)
        elif own.tag in (f"{_SVG}path", f"{_SVG}use", f"{_SVG}text"):
            yield own


def _style(own: ET.Element) -> Style:
    pairs = (part.partition(":") for part in own.get("style", "").split(";"))
    found = {name.strip(): value.strip() for name, _, value in pairs}
    if size := re.search(r"[\d.]+px", found.pop("font", "")):  # as older versions write it
        found["font-size"] = size[0]
    return {name: value for name, value in found.items() if name and name not in _LEFT_OUT}


def _dress(made: ET.Element, style: Style, ink: str, paper: str) -> None:
    css = ""
    for name, value in style.items():
        if value == paper:
            css += f"{name}:var(--paper,Canvas);"  # what does not know it takes the attribute
        made.set(name, "currentColor" if value == ink else value)
    if css:
        made.set("style", css)


def _text_place(own: ET.Element) -> dict[str, str]:
    place = {name: _short(float(own.get(name, 0))) for name in ("x", "y")}
    turned = own.get("transform", "")
    if turned and "rotate(-0 " not in turned:
        place["transform"] = _rounded(turned)
    return place


def _short(number: float) -> str:
    """To a tenth of a point, with nothing that could be left out."""
    shown = f"{number:.1f}".removesuffix(".0")
    return "0" if shown == "-0" else shown


def _rounded(text: str) -> str:
    shorter = _NUMBER.sub(lambda found: _short(float(found[0])), text)
    return re.sub(r"\s*([MLCQz])\s*", r"\1", " ".join(shorter.split()))


def _relative(path: str) -> str:
    """A marker's path from wherever the pen is; a circle as two arcs."""
    parts = [(command, [*map(float, _NUMBER.findall(numbers))])
             for command, numbers in _COMMAND.findall(path)]  # fmt: skip
    if [command for command, _ in parts].count("C") == 8:
        r = abs(parts[0][1][1])
        far, back = f"{2 * r:.2f}", f"{-2 * r:.2f}"
        return f"m0-{r:.2f}a{r:.2f} {r:.2f} 0 1 0 0 {far}a{r:.2f} {r:.2f} 0 1 0 0 {back}z"
    at, shown = (0.0, 0.0), ""
    for command, numbers in parts:
        moved = [f"{number - at[k % 2]:.2f}" for k, number in enumerate(numbers)]
        shown += command.lower() + " ".join(moved)
        if numbers:
            at = numbers[-2], numbers[-1]
    return shown

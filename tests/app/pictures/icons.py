"""icon.png of icon.svg: `make icons`."""

import json
import subprocess
from pathlib import Path

from tests.app.tab import tab

APP = Path(__file__).resolve().parents[3] / "pushmfa/app"


def main() -> None:
    manifest = json.loads((APP / "manifest.webmanifest").read_text())
    sizes = {i["sizes"] for i in manifest["icons"] if i["src"] == "icon.png"}
    width, height = map(int, sizes.pop().split("x"))
    svg = (APP / "icon.svg").read_text()
    with tab(viewport={"width": width, "height": height}) as drawn:
        style = "<style>body { margin: 0 } svg { display: block }</style>"
        drawn.page.set_content(style + svg)
        drawn.page.screenshot(path=APP / "icon.png")
    shrink = ["pngquant", "--force", "--strip", "--speed=1", "--ext=.png"]
    subprocess.run([*shrink, "--", APP / "icon.png"], check=True)


if __name__ == "__main__":
    main()

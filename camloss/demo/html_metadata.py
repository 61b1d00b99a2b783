"""The page's HTML metadata, for sites that show its link: title, description, picture. gradio's own say Gradio."""

import re
from typing import Any

from jinja2 import ChoiceLoader, DictLoader

TEMPLATE = "frontend/index.html"
DESCRIPTION = "Two networks read your digit, and show where each of them finds its evidence. Draw one and see."
CARD = "web/card.png"
FRAMED = "This page needs an origin of its own: add allow-same-origin to the sandbox of the frame that shows it."
# Before anything is loaded: what is asked for by a relative address is not found from an address without a slash, as of
# a proxy's folder, and is refused to a page without an origin.
FIRST = f"""<script>
if (!location.pathname.endsWith("/")) location.replace(`${{location.pathname}}/${{location.search}}${{location.hash}}`);
else if (self.origin === "null") {{
  addEventListener("DOMContentLoaded", () => document.body.replaceChildren("{FRAMED}"));
}}
</script>"""
TAGS = f"""<meta charset="utf-8" />
{FIRST}
<title>{{{{ config['title'] }}}}</title>
<meta name="description" content="{DESCRIPTION}" />
<meta property="og:type" content="website" />
<meta property="og:url" content="{{{{ config['root'] }}}}/" />
<meta property="og:title" content="{{{{ config['title'] }}}}" />
<meta property="og:description" content="{DESCRIPTION}" />
<meta property="og:image" content="{{{{ config['root'] }}}}/{CARD}" />
<meta property="og:image:width" content="1200" />
<meta property="og:image:height" content="630" />
<meta name="twitter:card" content="summary_large_image" />"""


def put_into(templates: Any) -> None:
    """Put our tags in place of those in gradio's page; `templates` is `gradio.routes.templates`."""
    environment = templates.env
    page = environment.loader.get_source(environment, TEMPLATE)[0]
    page = re.sub(r'<meta\s+(?:property="og:|name="twitter:)[^>]*>\s*', "", page)
    page = page.replace('<meta charset="utf-8" />', TAGS, 1)
    environment.loader = ChoiceLoader([DictLoader({TEMPLATE: page}), environment.loader])
    environment.cache.clear()

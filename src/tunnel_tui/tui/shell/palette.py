"""The palette: every action by name, from the same bindings as the help."""

from functools import partial
from typing import Any

from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider

from tunnel_tui.tui.keys.bindings import ADD, ALL, APP, CONFIG, LOG, LOGIN, TUNNEL, VIEW, key_text

ACTIONS = [*TUNNEL, *LOGIN, *ALL, ADD, *CONFIG, *VIEW, *LOG, *APP]
HIDDEN = frozenset({"app.palette", "view.back", "view.other-pane"})


class ActionProvider(Provider):
    """Finds actions by the words of their tooltips."""

    def _offers(self) -> list[Binding]:
        return [
            binding
            for binding in ACTIONS
            if binding.id not in HIDDEN
            and self.app.check_action(binding.action.rpartition(".")[2], ())
        ]

    def _run(self, binding: Binding) -> partial[Any]:
        return partial(self.app.run_action, binding.action, self.screen)

    async def discover(self) -> Hits:
        """Offer everything."""
        for binding in self._offers():
            yield DiscoveryHit(
                binding.tooltip, self._run(binding), help=f"key: {key_text(binding)}"
            )

    async def search(self, query: str) -> Hits:
        """Offer what matches."""
        matcher = self.matcher(query)
        for binding in self._offers():
            score = matcher.match(binding.tooltip)
            if score > 0:
                yield Hit(
                    score,
                    matcher.highlight(binding.tooltip),
                    self._run(binding),
                    help=f"key: {key_text(binding)}",
                )

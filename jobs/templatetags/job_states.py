"""The state of a job as people read it, as filters: `{{ job|state_words }}` and so on, as in `jobs.shown_state`."""

from django import template

from jobs import shown_state

register = template.Library()
for shown in ("state_words", "state_tone", "silent_since", "share_done", "standing", "is_rehearsed_now"):
    register.filter(shown, getattr(shown_state, shown))

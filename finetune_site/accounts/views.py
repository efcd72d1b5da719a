"""Login, and the account page: tokens and password."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from ..models import ApiToken
from ..people import PersonRequest
from .forms import TokenForm
from .tokens import create_token


class Login(LoginView):
    template_name = "registration/login.html"
    redirect_authenticated_user = True


class ChangePassword(PasswordChangeView):
    template_name = "site/password.html"
    success_url = reverse_lazy("account")

    def form_valid(self, form: object) -> HttpResponse:
        messages.success(self.request, "Your password has been changed. API tokens go on working; revoke them here.")
        return super().form_valid(form)  # type: ignore[arg-type]  # the view's own form


@require_safe
def account(request: PersonRequest) -> HttpResponse:
    return _account_page(request, TokenForm())


@never_cache
@require_POST
def create(request: PersonRequest) -> HttpResponse:
    """A new token, shown in this answer and never again."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _account_page(request, form, status=422)
    token, text = create_token(user=request.user, **form.cleaned_data)
    return _account_page(request, TokenForm(), new_token=token, new_text=text)


@require_POST
def revoke(request: PersonRequest, public_id: UUID) -> HttpResponse:
    token = get_object_or_404(ApiToken, public_id=public_id, user=request.user)
    token.delete()
    messages.success(request, f"The token “{token.name}” no longer works.")
    return redirect("account")


def _account_page(request: PersonRequest, form: TokenForm, *, status: int = 200, **more: object) -> HttpResponse:
    tokens = ApiToken.objects.filter(user=request.user)
    return render(request, "site/account.html", {"form": form, "tokens": tokens, **more}, status=status)

"""Logging in, being locked out, and tokens for programs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from finetune_site.accounts.tokens import create_token
from finetune_site.models import ApiToken
from tests.make import make_user

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


def make_person(name: str = "owner") -> User:
    user = make_user(name)
    user.set_password(PASSWORD)
    user.save()
    return user


def log_in(client: Client, password: str, name: str = "owner") -> Any:
    return client.post("/login/", {"username": name, "password": password})


def ask_token(password: str, name: str = "owner") -> Any:
    return APIClient().post("/api/v1/auth/token/", {"username": name, "password": password}, format="json")


def call_with(token: str) -> Any:
    return APIClient().get("/api/v1/jobs/", headers={"authorization": f"Token {token}"})


def test_the_right_password_opens_the_portal(client: Client) -> None:
    make_person()
    assert log_in(client, PASSWORD).headers["Location"] == "/"
    assert client.get("/").status_code == 200


def test_pages_send_a_stranger_to_the_login(client: Client) -> None:
    response = client.get("/account/")
    assert (response.status_code, response.headers["Location"]) == (302, "/login/?next=/account/")


def test_a_fragment_request_without_login_moves_the_whole_page(client: Client) -> None:
    response = client.get("/account/", headers={"hx-request": "true"})
    assert response.headers["HX-Redirect"] == "/login/"


def test_login_never_leads_to_another_site(client: Client) -> None:
    make_person()
    response = client.post("/login/?next=https://evil.example/", {"username": "owner", "password": PASSWORD})
    assert response.headers["Location"] == "/"


def test_five_wrong_passwords_lock_the_name_even_for_the_right_one(client: Client) -> None:
    make_person()
    for _ in range(5):
        log_in(client, "wrong")
    response = log_in(client, PASSWORD)
    assert response.status_code == 429
    assert "Wait 15 minutes" in response.content.decode()
    assert response.headers["Retry-After"] == "900"


def test_four_wrong_passwords_lock_nothing(client: Client) -> None:
    make_person()
    for _ in range(4):
        log_in(client, "wrong")
    assert log_in(client, PASSWORD).status_code == 302


def test_a_locked_name_leaves_others_alone(client: Client) -> None:
    make_person()
    make_person("colleague")
    for _ in range(5):
        log_in(client, "wrong")
    assert log_in(client, PASSWORD, name="colleague").status_code == 302


def test_the_admin_login_is_guarded_too(client: Client) -> None:
    make_person()
    for _ in range(5):
        client.post("/admin/login/", {"username": "owner", "password": "wrong"})
    assert log_in(client, PASSWORD).status_code == 429


def test_name_and_password_give_a_token_that_works() -> None:
    make_person()
    answer = ask_token(PASSWORD)
    assert answer.status_code == 200
    assert set(answer.data) == {"token", "expiry"}
    assert call_with(answer.data["token"]).status_code == 200


def test_a_wrong_password_gives_no_token() -> None:
    make_person()
    answer = ask_token("wrong")
    assert answer.status_code == 401
    assert [(finding["code"], finding["field"]) for finding in answer.data["findings"]] == [("login.wrong", "password")]


def test_a_missing_password_is_named() -> None:
    answer = APIClient().post("/api/v1/auth/token/", {"username": "owner"}, format="json")
    assert answer.status_code == 400
    assert [finding["field"] for finding in answer.data["findings"]] == ["password"]


def test_wrong_passwords_at_the_api_lock_the_name() -> None:
    make_person()
    for _ in range(5):
        ask_token("wrong")
    answer = ask_token(PASSWORD)
    assert answer.status_code == 429
    assert answer.json()["findings"][0]["code"] == "login.locked"


def test_asking_for_tokens_too_often_is_throttled() -> None:
    statuses = [ask_token("wrong", name=f"person{number}").status_code for number in range(61)]
    assert statuses == [401] * 60 + [429]


def test_the_account_page_makes_a_token_and_shows_it_once(client: Client) -> None:
    user = make_person()
    client.force_login(user)
    made = client.post("/account/tokens/", {"name": "ci", "days": 7})
    text = made.context["new_text"]
    assert text in made.content.decode()
    assert text not in client.get("/account/").content.decode()
    assert call_with(text).status_code == 200
    assert "no-store" in made.headers["Cache-Control"]


def test_only_a_digest_of_a_token_is_stored() -> None:
    token, text = create_token(user=make_person(), name="ci", days=7)
    assert text not in (token.digest, token.token_key)
    assert ApiToken.objects.get().expiry > timezone.now() + timedelta(days=6)


@pytest.mark.parametrize("form", [{"name": "", "days": 7}, {"name": "ci", "days": 0}, {"name": "ci", "days": "soon"}])
def test_a_wrong_token_form_is_told_and_makes_nothing(client: Client, form: dict[str, Any]) -> None:
    client.force_login(make_person())
    assert client.post("/account/tokens/", form).status_code == 422
    assert not ApiToken.objects.exists()


def test_a_revoked_token_stops_working_at_once(client: Client) -> None:
    user = make_person()
    token, text = create_token(user=user, name="ci", days=7)
    client.force_login(user)
    client.post(f"/account/tokens/{token.public_id}/revoke/")
    assert call_with(text).status_code == 401


def test_a_strangers_token_is_not_found(client: Client) -> None:
    token, text = create_token(user=make_person(), name="ci", days=7)
    client.force_login(make_user("stranger"))
    assert client.post(f"/account/tokens/{token.public_id}/revoke/").status_code == 404
    assert call_with(text).status_code == 200


def test_an_expired_token_is_refused() -> None:
    token, text = create_token(user=make_person(), name="ci", days=7)
    ApiToken.objects.filter(pk=token.pk).update(expiry=timezone.now() - timedelta(seconds=1))
    assert call_with(text).status_code == 401


def test_the_token_of_a_person_who_left_is_refused() -> None:
    user = make_person()
    _, text = create_token(user=user, name="ci", days=7)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert call_with(text).status_code == 401


def test_the_password_can_be_changed(client: Client) -> None:
    client.force_login(make_person())
    new = "a much longer passphrase"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post("/account/password/", form).headers["Location"] == "/account/"
    assert log_in(Client(), new).status_code == 302


def test_a_short_password_is_refused_with_the_reason(client: Client) -> None:
    client.force_login(make_person())
    form = {"old_password": PASSWORD, "new_password1": "short", "new_password2": "short"}
    assert "too short" in client.post("/account/password/", form).content.decode()

"""The public contract of jobs."""

from __future__ import annotations

import json

import pytest

from jobs.models import Job, State
from jobs.run_folder import RunFolder
from tests.make import make_client, make_dataset, make_job, make_model, make_spec, make_user

pytestmark = pytest.mark.django_db
JOBS = "/api/v1/jobs/"
CONTRACT = {
    "id", "name", "state", "spec", "findings", "created_at", "started_at", "finished_at", "step", "total_steps",
    "metrics", "error", "artifacts",
}  # fmt: skip


def make_good_spec(**changes):
    make_model()
    dataset = changes.pop("dataset", None) or make_dataset()
    return make_spec(**{"data.dataset": str(dataset.pk), **changes})


def make_run(**changes):
    """A job that has run and left its files."""
    artifacts = [{"name": "adapter.bin", "size": 7, "sha256": "0" * 64}]
    job = make_job(attempt=1, state=State.SUCCEEDED, result={"artifacts": artifacts}, **changes)
    folder = RunFolder(job.run_dir)
    folder.output.mkdir(parents=True)
    (folder.output / "adapter.bin").write_bytes(b"weights")
    (folder.output / "unlisted.txt").write_bytes(b"secret")
    steps = [{"event": "step", "at": "now", "step": n, "loss": 2.0} for n in range(1, 4)]
    folder.events_file.write_text("".join(json.dumps(step) + "\n" for step in steps))
    folder.log_file.write_text("first line\nlast line\n")
    return job


def owner():
    return make_client(make_user())


def test_a_check_says_everything_and_stores_nothing():
    answer = owner().post(f"{JOBS}check/", make_good_spec())
    assert answer.status_code == 200 and answer.json()["ok"] is True
    assert {"ok", "findings", "unasked", "estimate"} <= answer.json().keys()
    assert not Job.objects.exists()


def test_a_check_of_a_blocked_job_is_an_answer_not_an_error():
    answer = owner().post(f"{JOBS}check/", make_good_spec(**{"training.num_epochs": -1}))
    assert answer.status_code == 200 and answer.json()["ok"] is False
    assert [each["field"] for each in answer.json()["findings"] if each["severity"] == "error"] == [
        "training.num_epochs"
    ]


def test_a_check_of_nothing_says_what_is_required():
    fields = {each["field"] for each in owner().post(f"{JOBS}check/", {}).json()["findings"]}
    assert {"model.name", "data.dataset", "data.strategy", "training.method"} <= fields


def test_a_job_is_created():
    answer = owner().post(JOBS, make_good_spec(name="support-bot"))
    assert answer.status_code == 201
    assert answer.json().keys() >= CONTRACT
    assert (answer.json()["state"], answer.json()["name"]) == ("queued", "support-bot")
    assert Job.objects.get().owner == make_user()


def test_the_job_that_comes_back_is_the_one_that_is_found():
    client = owner()
    created = client.post(JOBS, make_good_spec()).json()
    assert client.get(f"{JOBS}{created['id']}/").json() == created


def test_an_error_is_400_with_findings():
    answer = owner().post(JOBS, make_good_spec(**{"training.num_epochs": -1}))
    assert answer.status_code == 400
    assert {"message", "findings"} == answer.json().keys()
    assert answer.json()["findings"][0]["field"] == "training.num_epochs"
    assert not Job.objects.exists()


def test_a_finding_has_the_shape_of_the_contract():
    finding = owner().post(JOBS, make_good_spec(**{"training.num_epochs": -1})).json()["findings"][0]
    assert {"code", "severity", "field", "message", "fix"} <= finding.keys()
    assert {"label", "changes"} <= finding["fix"].keys()


def test_warnings_come_with_the_job():
    answer = owner().post(JOBS, make_good_spec(dataset=make_dataset(rows=5)))
    assert answer.status_code == 201
    assert "warning" in [each["severity"] for each in answer.json()["findings"]]
    assert answer.json()["confirmed_at"]


def test_warnings_can_be_refused():
    answer = owner().post(JOBS, {**make_good_spec(dataset=make_dataset(rows=5)), "on_warning": "refuse"})
    assert answer.status_code == 400
    assert {each["severity"] for each in answer.json()["findings"]} >= {"warning"}
    assert not Job.objects.exists()


def test_refusing_warnings_lets_a_job_without_any_through():
    assert owner().post(JOBS, {**make_good_spec(), "on_warning": "refuse"}).status_code == 201


@pytest.mark.parametrize("given", ["maybe", "", False, 0, {}, None])
def test_another_word_for_on_warning_is_a_finding(given):
    answer = owner().post(JOBS, {**make_good_spec(), "on_warning": given})
    assert (answer.status_code, answer.json()["findings"][0]["field"]) == (400, "on_warning")


def test_an_unknown_setting_names_the_nearest():
    findings = owner().post(JOBS, make_good_spec(**{"training.epochs": 3})).json()["findings"]
    assert findings[0]["field"] == "training.epochs" and "num_epochs" in findings[0]["message"]


def test_the_history_is_paged():
    for _ in range(3):
        make_job()
    page = owner().get(f"{JOBS}?page_size=2").json()
    assert {"count", "next", "previous", "results"} == page.keys()
    assert (page["count"], len(page["results"])) == (3, 2)


def test_the_newest_job_comes_first():
    first, second = make_job(), make_job()
    assert [job["id"] for job in owner().get(JOBS).json()["results"]] == [second.pk, first.pk]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("state=failed", ["b"]),
        ("state=failed&state=queued", ["b", "a"]),
        ("method=dpo", ["b"]),
        ("model=house/tiny-chat", ["a"]),
        ("search=A", ["a"]),
        ("ordering=name", ["a", "b"]),
        ("ordering=-name", ["b", "a"]),
    ],
)
def test_the_history_is_narrowed_and_ordered(query, names):
    make_job(name="a", base_model=make_model())
    make_job(name="b", state=State.FAILED, spec=make_spec(**{"training.method": "dpo"}))
    assert [job["name"] for job in owner().get(f"{JOBS}?{query}").json()["results"]] == names


def test_jobs_that_are_equal_in_the_order_come_newest_first():
    first, second, third = (make_job(name="same") for _ in range(3))
    found = owner().get(f"{JOBS}?ordering=name").json()["results"]
    assert [job["id"] for job in found] == [third.pk, second.pk, first.pk]


@pytest.mark.parametrize("query", ["state=lost", "method=ppo", "page=0", "page=99", "search=%00"])
def test_a_wrong_query_is_answered_in_the_one_shape(query):
    answer = owner().get(f"{JOBS}?{query}")
    assert answer.status_code in (400, 404)
    assert answer.json()["message"] and answer.json()["findings"]


def test_the_history_takes_the_same_number_of_queries_however_long(django_assert_max_num_queries):
    for _ in range(20):
        make_job()
    with django_assert_max_num_queries(8):
        owner().get(JOBS)


def test_people_see_their_own_jobs():
    make_job(make_user("stranger"))
    assert owner().get(JOBS).json()["count"] == 0


def test_staff_see_every_job():
    make_job()
    assert make_client(make_user("admin", is_staff=True)).get(JOBS).json()["count"] == 1


def test_events_are_read_on_from_a_cursor():
    job, client = make_run(), owner()
    first = client.get(f"{JOBS}{job.pk}/events/").json()
    assert [event["step"] for event in first["events"]] == [1, 2, 3]
    assert client.get(f"{JOBS}{job.pk}/events/?after={first['next']}").json() == {"events": [], "next": first["next"]}


def test_metrics_are_the_points_of_the_curves():
    answer = owner().get(f"{JOBS}{make_run().pk}/metrics/").json()
    assert answer["points"] == [{"step": n, "loss": 2.0} for n in (1, 2, 3)]


def test_metrics_are_thinned():
    answer = owner().get(f"{JOBS}{make_run().pk}/metrics/?max_points=2").json()
    assert [point["step"] for point in answer["points"]] == [1, 3]


def test_the_log_is_read_from_its_end():
    assert owner().get(f"{JOBS}{make_run().pk}/log/?bytes=10").json() == {"log": "last line\n"}


def test_a_job_that_has_not_begun_has_no_events_metrics_log_or_artifacts():
    job, client = make_job(), owner()
    assert client.get(f"{JOBS}{job.pk}/events/").json() == {"events": [], "next": 0}
    assert client.get(f"{JOBS}{job.pk}/metrics/").json() == {"points": [], "next": None}
    assert client.get(f"{JOBS}{job.pk}/log/").json() == {"log": ""}
    assert client.get(f"{JOBS}{job.pk}/artifacts/").json() == []


@pytest.mark.parametrize(
    "query", ["events/?after=-5", "events/?after=" + "9" * 30, "metrics/?max_points=0", "log/?bytes=-1"]
)
def test_numbers_beyond_their_limits_are_taken_as_the_limit(query):
    assert owner().get(f"{JOBS}{make_run().pk}/{query}").status_code == 200


@pytest.mark.parametrize("query", ["events/?after=x", "metrics/?max_points=1.5", "log/?bytes="])
def test_what_is_no_number_is_a_finding(query):
    answer = owner().get(f"{JOBS}{make_run().pk}/{query}")
    assert answer.status_code == 400 and answer.json()["findings"][0]["field"]


def test_artifacts_are_listed_and_fetched():
    client = owner()
    artifact = client.get(f"{JOBS}{make_run().pk}/artifacts/").json()[0]
    assert {"name", "size", "sha256", "url"} == artifact.keys()
    fetched = client.get(artifact["url"])
    assert b"".join(fetched.streaming_content) == b"weights"
    assert "attachment" in fetched["Content-Disposition"]


def test_an_artifact_is_fetched_whatever_type_is_asked_for():
    url = f"{JOBS}{make_run().pk}/artifacts/adapter.bin"
    assert owner().get(url, headers={"accept": "application/octet-stream"}).status_code == 200


@pytest.mark.parametrize("name", ["unlisted.txt", "../log.txt", "..%2Flog.txt", "%2Fetc%2Fpasswd", "nowhere", "a%00b"])
def test_only_listed_artifacts_are_fetched(name):
    assert owner().get(f"{JOBS}{make_run().pk}/artifacts/{name}").status_code == 404


def test_a_job_is_cancelled():
    job = make_job()
    answer = owner().post(f"{JOBS}{job.pk}/cancel/")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")


def test_a_job_that_has_ended_is_not_cancelled():
    answer = owner().post(f"{JOBS}{make_job(state=State.FAILED).pk}/cancel/")
    assert (answer.status_code, answer.json()["findings"][0]["code"]) == (409, "job.has-ended")


def test_a_job_is_retried():
    client = owner()
    created = client.post(JOBS, make_good_spec()).json()
    again = client.post(f"{JOBS}{created['id']}/retry/")
    assert (again.status_code, again.json()["retry_of"], again.json()["spec"]) == (201, created["id"], created["spec"])


def test_a_retry_that_no_longer_passes_is_400_with_findings():
    client = owner()
    created = client.post(JOBS, make_good_spec()).json()
    Job.objects.get().base_model.delete()
    answer = client.post(f"{JOBS}{created['id']}/retry/")
    assert (answer.status_code, answer.json()["findings"][0]["field"]) == (400, "model.name")


CALLS = [
    ("get", ""), ("get", "events/"), ("get", "metrics/"), ("get", "log/"), ("get", "artifacts/"),
    ("get", "artifacts/adapter.bin"), ("post", "cancel/"), ("post", "retry/"),
    ("get", "attempts/"), ("post", "pause/"), ("post", "resume/"), ("post", "priority/"), ("post", "continue/"),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "path"), CALLS)
def test_a_stranger_finds_nothing(verb, path):
    job = make_run()
    answer = getattr(make_client(make_user("stranger")), verb)(f"{JOBS}{job.pk}/{path}")
    assert answer.status_code == 404 and answer.json()["findings"]
    assert Job.objects.count() == 1 and Job.objects.get().state == State.SUCCEEDED


@pytest.mark.parametrize(("verb", "path"), CALLS)
def test_nobody_gets_at_a_job_without_logging_in(verb, path):
    answer = getattr(make_client(), verb)(f"{JOBS}{make_run().pk}/{path}")
    assert answer.status_code == 401 and answer.json()["findings"]


@pytest.mark.parametrize(("verb", "path"), [("get", ""), ("post", ""), ("post", "check/")])
def test_nobody_gets_at_jobs_without_logging_in(verb, path):
    answer = getattr(make_client(), verb)(f"{JOBS}{path}")
    assert answer.status_code == 401 and answer.json()["findings"]


def test_the_sweeps_meet_every_call_about_one_job():
    from jobs.api_urls import urlpatterns

    about_one = [pattern.name for pattern in urlpatterns if "pk" in pattern.pattern.converters]
    assert len(about_one) == len(CALLS)


def test_no_list_sorts_its_rows_out_again(django_assert_max_num_queries):
    make_job(state="failed")
    with django_assert_max_num_queries(9) as asked:
        assert (
            owner().get(f"{JOBS}?state=failed&state=queued&method=sft&search=made&ordering=name").json()["count"] == 1
        )
    assert not [query["sql"] for query in asked if "DISTINCT" in query["sql"]]

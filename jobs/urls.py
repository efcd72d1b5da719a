"""Addresses of the jobs pages."""

from django.urls import path

from . import button_views, live, new_job, views

app_name = "jobs"
urlpatterns = [
    path("", views.jobs, name="list"),
    path("new", new_job.new, name="new"),
    path("check", new_job.check, name="check"),
    path("fix", new_job.fix, name="fix"),
    path("tick", new_job.tick, name="tick"),
    path("summary", new_job.summary, name="summary"),
    path("rehearse", new_job.rehearse, name="rehearse"),
    path("<int:pk>/", views.detail, name="detail"),
    path("<int:pk>/cancel", button_views.cancel, name="cancel"),
    path("<int:pk>/pause", button_views.pause, name="pause"),
    path("<int:pk>/resume", button_views.resume, name="resume"),
    path("<int:pk>/priority", button_views.priority, name="priority"),
    path("<int:pk>/continue", button_views.continue_, name="continue"),
    path("<int:pk>/retry", button_views.retry, name="retry"),
    path("<int:pk>/start-anyway", button_views.start_anyway, name="start-anyway"),
    path("<int:pk>/events/", live.events, name="events"),
    path("<int:pk>/log", live.log, name="log"),
    path("<int:pk>/artifacts/<path:name>", views.artifact, name="artifact"),
    path("<int:pk>/archive", views.archive, name="archive"),
]

from django.apps import AppConfig


class HouseConfig(AppConfig):
    """The last app to be ready: joins the rooms."""

    name = "config"
    label = "house"

    def ready(self) -> None:
        # Makes it the app that tasks are sent through, from the web process too.
        from config import celery  # noqa: F401
        from config.garbage import settle_collector
        from config.wiring import wire

        wire()
        settle_collector()

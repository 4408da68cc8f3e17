from django.apps import AppConfig


class HouseConfig(AppConfig):
    """The last app to be ready: joins the rooms."""

    name = "config"
    label = "house"

    def ready(self) -> None:
        from config.wiring import wire

        wire()

from metering import urls_events

urlpatterns = [*urls_events.urlpatterns]

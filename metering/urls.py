from metering import urls_events, urls_meters

urlpatterns = [*urls_events.urlpatterns, *urls_meters.urlpatterns]

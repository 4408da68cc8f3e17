from metering.api import event_urls, meter_urls

urlpatterns = [*event_urls.urlpatterns, *meter_urls.urlpatterns]

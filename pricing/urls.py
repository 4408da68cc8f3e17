from pricing.api import plan_urls, price_urls

urlpatterns = [*plan_urls.urlpatterns, *price_urls.urlpatterns]

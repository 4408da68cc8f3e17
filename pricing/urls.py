from pricing import urls_plans, urls_prices

urlpatterns = [*urls_plans.urlpatterns, *urls_prices.urlpatterns]

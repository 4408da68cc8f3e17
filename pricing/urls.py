from pricing import urls_plans

urlpatterns = [*urls_plans.urlpatterns]

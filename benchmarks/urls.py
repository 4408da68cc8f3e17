from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
def empty(request: HttpRequest) -> HttpResponse:
    """What any request costs here: it passes every layer, its body is read, and nothing is done with it."""
    request.read()
    return HttpResponse("{}", content_type="application/json")


urlpatterns = [path("bench/empty", empty), path("", include("config.urls"))]

from django.urls import path

from customers.api import CustomersView, CustomerView, PortalLinkView

urlpatterns = [
    path("v1/customers", CustomersView.as_view(), name="customers"),
    path("v1/customers/<str:key>", CustomerView.as_view(), name="customer"),
    path("v1/customers/<str:key>/portal-link", PortalLinkView.as_view(), name="customer-portal-link"),
]

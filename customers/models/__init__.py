from customers.models.api_key import ApiKey
from customers.models.customer import Customer
from customers.models.member import Member
from customers.models.user import User

__all__ = ["ApiKey", "Customer", "Member", "User"]

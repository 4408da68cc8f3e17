"""The editor of a plan's terms: a form whose fields are named as the terms' JSON names them."""

"""The portal's pages. Each view is handed the ``Visit`` and reads nothing but that customer's."""

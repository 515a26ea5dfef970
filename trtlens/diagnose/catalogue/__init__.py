"""The texts of the catalogue of reasons, one module a kind. In: nothing. Out: tuples of records. Next: ../reasons.py, which joins them."""

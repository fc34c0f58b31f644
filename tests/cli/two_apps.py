"""Two apps, neither of them called app."""

from __future__ import annotations

from pgflow import App

shop = App("shop")
mail = App("mail")
number = 5

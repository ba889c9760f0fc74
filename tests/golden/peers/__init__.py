"""Documented cases of other systems, played under the presets that are named after them.

``telling`` turns what a case says into policies and facts, ``story`` plays them on an engine,
``answers`` checks each field that a case expects, ``limits`` says what a policy cannot express.
"""

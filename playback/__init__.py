"""Replays a profile against an application and judges what came of it.

    profile ─▶ engine ─▶ clone, session (wire, waits, answers, bijection), run files ─▶ report

Imports no extra by itself: the pytest plugin lives here and must load in any environment.
"""

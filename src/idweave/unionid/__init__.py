"""OpenIDs to people: token sources, login codes, follower sync, union ids, overlap, and a mock.

The room needs the extra ``idweave[unionid]``; reading its tables does not.
"""

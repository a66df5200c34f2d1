"""The same small story told by real applications of each framework, each as its line in the README says to record it.

With BARE in the environment the recorder is left out: what it answers then is what it must answer when it is recorded.
"""

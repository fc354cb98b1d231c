"""The two scripts that run beside a trial, on machines that may have no dsice: standard library only.

They are started by bare name from this folder, or copied to the machine of a job; nothing else may live here.
"""

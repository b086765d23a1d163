"""Attempts on the nodes of a Ray cluster.

`executor` is the server's side and knows nothing of Ray; `bridge` is the process beside the server
that talks to the cluster; `worker` is what runs on the nodes.
"""

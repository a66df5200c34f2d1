"""How tests run gunicorn. A file, since it may name settings that older versions do not know."""

control_socket_disable = True  # from 25.1 on there is one per user account, which servers side by side would share
graceful_timeout = 2  # seconds
keepalive = 60  # seconds: who pauses between two requests, on a busy machine too, finds the connection still open
timeout = 300  # seconds after which a worker that says nothing is killed

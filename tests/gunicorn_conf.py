"""How tests run gunicorn. A file, since it may name settings that older versions do not know."""

control_socket_disable = True  # from 25.1 on there is one per user account, which servers side by side would share
graceful_timeout = 2  # seconds

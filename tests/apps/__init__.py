"""Small applications that tests record and replay, each with a driver that uses it as a browser or a client would."""

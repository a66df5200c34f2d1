"""`INSTALLED_APPS = [..., "recorder.django"]` hooks RQ in every process of a Django project, `rqworker` included."""

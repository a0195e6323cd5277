"""Creates topics, each with one partition: kafka_topics.py BROKERS TOPIC.."""

import sys

from confluent_kafka.admin import AdminClient, NewTopic

admin = AdminClient({"bootstrap.servers": sys.argv[1]})
created = admin.create_topics([NewTopic(topic, 1, 1) for topic in sys.argv[2:]])
for future in created.values():
    future.result(20)

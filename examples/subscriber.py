"""Shows what a gateway tells, as it comes: `subscriber.py broker.plant 1883`. Needs paho-mqtt 2."""

import json
import sys

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion


def show(_client: Client, _data: object, message: MQTTMessage) -> None:
    """One line for each reading of telemetry in columns, and for every other message."""
    told = json.loads(message.payload)
    readings = zip(told["tags"], told["values"], strict=True) if "tags" in told else [(message.topic, told)]
    print(*(f"{name} {value}" for name, value in readings), sep="\n", flush=True)


client = Client(CallbackAPIVersion.VERSION2)
client.on_connect = lambda client, *_: client.subscribe("fieldgate/#", qos=1)
client.on_message = show
client.connect(sys.argv[1], int(sys.argv[2]))
client.loop_forever()

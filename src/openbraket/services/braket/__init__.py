"""Amazon Braket's operations: devices, quantum tasks and tags.

No HTTP parsing and no SQL text.
"""

from collections.abc import Mapping
from typing import Final

from openbraket.services.braket import devices, quantum_tasks, tags
from openbraket.services.context import Handler

OPERATIONS: Final[Mapping[str, Handler]] = {
    "CancelQuantumTask": quantum_tasks.cancel_quantum_task,
    "CreateQuantumTask": quantum_tasks.create_quantum_task,
    "GetDevice": devices.get_device,
    "GetQuantumTask": quantum_tasks.get_quantum_task,
    "ListTagsForResource": tags.list_tags_for_resource,
    "SearchDevices": devices.search_devices,
    "SearchQuantumTasks": quantum_tasks.search_quantum_tasks,
    "TagResource": tags.tag_resource,
    "UntagResource": tags.untag_resource,
}

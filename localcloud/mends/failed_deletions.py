"""What a resource that could not be deleted depends on stays; ministack 1.5.33 deletes it, and every later try fails.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-console-delete-stack.html: a failed stack keeps the
resources that could not be deleted, and is deleted again once the reason is gone. What these depend on is not even
tried there; here it is listed beside them.
"""

from __future__ import annotations

from typing import Any


def apply() -> None:
    """Refuse to delete what a resource needs that is still there."""
    from ministack.services.cloudformation import _stacks, stacks  # noqa: PLC0415

    delete = stacks._delete_resource

    def deleting(kind: str, physical_id: str, props: dict[str, Any], stack_name: str, name: str) -> Any:
        stack = _stacks.get(stack_name) or {}
        if stack.get("StackStatus") == "DELETE_IN_PROGRESS":
            resources, declared = stack["_resources"], (stack.get("_template") or {}).get("Resources", {})
            for failed in [
                key for key, each in resources.items() if each.get("ResourceStatus") == "DELETE_FAILED"
            ]:
                if failed != name and name in stacks._with_dependencies([failed], declared, set(resources)):
                    raise RuntimeError(f"{failed} could not be deleted, and depends on it.")
        return delete(kind, physical_id, props, stack_name, name)

    stacks._delete_resource = deleting

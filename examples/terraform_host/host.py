"""Create, change and destroy a resource of a Terraform provider, without Terraform.

    python examples/terraform_host/host.py [PROVIDER]

The provider is terraform-provider-time: its path, or found where Terraform finds it.
"""

import sys

from goplugin_py.terraform import ApplyFailed, ApplyInterrupted, Provider


def main(provider: str = "terraform-provider-time") -> None:
    with Provider.launch(provider) as time:
        time.configure({})
        sleep = time.resource("time_sleep")
        plan = sleep.plan({"create_duration": "1s"})
        print(f"{plan.action.value}: {plan['id']}")
        try:
            state = plan.apply()
        except (ApplyFailed, ApplyInterrupted) as exc:
            # Whatever went wrong, this is what exists as far as is known: keep it.
            sys.exit(f"{exc}\nleft behind: {exc.state}")
        assert state is not None
        print(f"created {state['id']}")

        plan = sleep.plan({"create_duration": "1s", "triggers": {"a": "b"}}, state)
        print(f"{plan.action.value} because of {plan.requires_replace[0]}")
        sleep.destroy(state)

        parsed = time.function("rfc3339_parse")("2026-01-02T03:04:05Z")
        print(f"a {parsed['weekday_name']} in {parsed['month_name']}")


if __name__ == "__main__":
    main(*sys.argv[1:])

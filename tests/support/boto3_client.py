"""The Step Functions API as AWS's own Python client sees it.

Usage: boto3_client.py ENDPOINT

Runs against a server of its own (it makes machines, activities and executions), checks answers and error codes, prints a
line per topic and ends with 0, or with a traceback. The errors' words are those of the API reference of Step Functions.
"""

import json
import sys
import threading
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

WAIT_SECONDS_MAX = 20
ROLE = "arn:aws:iam::123456789012:role/any"
PREFIX = "arn:aws:states:us-east-1:123456789012"
PASS_CHAIN = {
    "StartAt": "One",
    "States": {
        "One": {"Type": "Pass", "Result": {"one": 1}, "ResultPath": "$.of", "Next": "Two"},
        "Two": {"Type": "Pass", "Next": "Three"},
        "Three": {"Type": "Pass", "End": True},
    },
}
WAITING = {"StartAt": "Hold", "States": {"Hold": {"Type": "Wait", "Seconds": 3600, "End": True}}}


def connect(endpoint):
    config = Config(retries={"total_max_attempts": 1}, inject_host_prefix=False, read_timeout=70)
    return boto3.client(
        "stepfunctions", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="any",
        aws_secret_access_key="any", config=config)


def equal(found, wanted, what):
    assert found == wanted, f"{what}: found {found!r}, wanted {wanted!r}"


def refused(code, call, *words, **arguments):
    """The call fails with this code, and its message holds these words."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        found = error.response["Error"]
        equal(found["Code"], code, f"{arguments}: {found['Message']}")
        for word in words:
            assert word in found["Message"], f"`{word}` is not in: {found['Message']}"
        return found["Message"]
    raise AssertionError(f"{code} was expected for {arguments}, found {answer}")


def ended(sfn, arn):
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while time.monotonic() < deadline:
        execution = sfn.describe_execution(executionArn=arn)
        if execution["status"] != "RUNNING":
            return execution
        time.sleep(0.02)
    raise AssertionError(f"{arn} has not ended after {WAIT_SECONDS_MAX} s")


def machines(sfn):
    definition = json.dumps(PASS_CHAIN)
    arn = sfn.create_state_machine(name="chain", definition=definition, roleArn=ROLE)["stateMachineArn"]
    equal(arn, f"{PREFIX}:stateMachine:chain", "the ARN follows from the name")
    again = sfn.create_state_machine(name="chain", definition=definition, roleArn=ROLE)["stateMachineArn"]
    equal(again, arn, "the same request again")
    refused("StateMachineAlreadyExists", sfn.create_state_machine,
            name="chain", definition=json.dumps(WAITING), roleArn=ROLE)
    nowhere = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Nowhere"}}}
    refused("InvalidDefinition", sfn.create_state_machine, "Nowhere",
            name="broken", definition=json.dumps(nowhere), roleArn=ROLE)
    refused("InvalidDefinition", sfn.create_state_machine, name="broken", definition="{", roleArn=ROLE)
    refused("InvalidName", sfn.create_state_machine, "a b", name="a b", definition=definition, roleArn=ROLE)
    refused("ValidationException", sfn.create_state_machine,
            "1 validation error detected: Value '" + "n" * 81 + "' at 'name' failed to satisfy constraint: "
            "Member must have length less than or equal to 80",
            name="n" * 81, definition=definition, roleArn=ROLE)
    found = sfn.describe_state_machine(stateMachineArn=arn)
    equal((json.loads(found["definition"]), found["status"], found["type"], found["roleArn"]),
          (PASS_CHAIN, "ACTIVE", "STANDARD", ROLE), "the machine as described")

    changed = {**PASS_CHAIN, "Comment": "second revision"}
    before = sfn.describe_state_machine(stateMachineArn=arn).get("revisionId")
    update = sfn.update_state_machine(stateMachineArn=arn, definition=json.dumps(changed))
    assert update["revisionId"] and update["revisionId"] != before, update
    found = sfn.describe_state_machine(stateMachineArn=arn)
    equal((found["revisionId"], json.loads(found["definition"])), (update["revisionId"], changed), "the revision")
    refused("InvalidDefinition", sfn.update_state_machine, stateMachineArn=arn, definition=json.dumps(nowhere))
    refused("StateMachineDoesNotExist", sfn.describe_state_machine, stateMachineArn=f"{PREFIX}:stateMachine:none")
    refused("InvalidArn", sfn.describe_state_machine, "Invalid Arn", stateMachineArn="chain")

    for number in range(4):
        sfn.create_state_machine(name=f"listed-{number}", definition=definition, roleArn=ROLE)
    pages = list(sfn.get_paginator("list_state_machines").paginate(PaginationConfig={"PageSize": 2}))
    names = [machine["name"] for page in pages for machine in page["stateMachines"]]
    assert len(pages) >= 3 and all(len(page["stateMachines"]) <= 2 for page in pages), pages
    assert len(names) == len(set(names)) and {"chain", "listed-0", "listed-3"} <= set(names), names
    refused("InvalidToken", sfn.list_state_machines, nextToken="not one of ours")
    refused("ValidationException", sfn.list_state_machines, "Value '1001' at 'maxResults'", maxResults=1001)
    sfn.delete_state_machine(stateMachineArn=f"{PREFIX}:stateMachine:listed-3")
    refused("StateMachineDoesNotExist", sfn.start_execution, stateMachineArn=f"{PREFIX}:stateMachine:listed-3")
    return arn


def executions(sfn, machine):
    started = sfn.start_execution(stateMachineArn=machine, name="first", input='{"a": 1}')
    arn = started["executionArn"]
    equal(arn, f"{PREFIX}:execution:chain:first", "the ARN of an execution")
    execution = ended(sfn, arn)
    equal((execution["status"], json.loads(execution["output"]), json.loads(execution["input"])),
          ("SUCCEEDED", {"a": 1, "of": {"one": 1}}, {"a": 1}), "the end")
    assert execution["stopDate"] >= execution["startDate"] == started["startDate"], execution
    refused("ExecutionAlreadyExists", sfn.start_execution, arn, stateMachineArn=machine, name="first", input="{}")
    refused("InvalidExecutionInput", sfn.start_execution, stateMachineArn=machine, input="{no JSON")
    refused("InvalidName", sfn.start_execution, stateMachineArn=machine, name="a/b")
    missing = f"{PREFIX}:execution:chain:none"
    refused("ExecutionDoesNotExist", sfn.describe_execution, f"Execution Does Not Exist: '{missing}'",
            executionArn=missing)
    refused("ExecutionDoesNotExist", sfn.get_execution_history, executionArn=missing)
    refused("ExecutionDoesNotExist", sfn.stop_execution, executionArn=missing)
    refused("InvalidArn", sfn.describe_execution, executionArn="nothing")

    for number in range(4):
        ended(sfn, sfn.start_execution(stateMachineArn=machine, name=f"more-{number}")["executionArn"])
    pages = list(sfn.get_paginator("list_executions").paginate(
        stateMachineArn=machine, PaginationConfig={"PageSize": 2}))
    names = [item["name"] for page in pages for item in page["executions"]]
    equal(names, ["more-3", "more-2", "more-1", "more-0", "first"], "newest first over pages")
    equal(sfn.list_executions(stateMachineArn=machine, statusFilter="FAILED")["executions"], [], "a filter")
    described = sfn.describe_state_machine_for_execution(executionArn=arn)
    equal((described["stateMachineArn"], json.loads(described["definition"])["Comment"]),
          (machine, "second revision"), "the machine of an execution")

    paged = sfn.get_paginator("get_execution_history").paginate
    forward = [e for page in paged(executionArn=arn, PaginationConfig={"PageSize": 3}) for e in page["events"]]
    reverse = [e for page in paged(executionArn=arn, reverseOrder=True, PaginationConfig={"PageSize": 3})
               for e in page["events"]]
    whole = sfn.get_execution_history(executionArn=arn)["events"]
    equal(forward, whole, "pages hold what one answer holds")
    equal(reverse[::-1], whole, "backwards is the same")
    equal([e["type"] for e in whole],
          ["ExecutionStarted"] + ["PassStateEntered", "PassStateExited"] * 3 + ["ExecutionSucceeded"], "the history")
    # On AWS, too, the first state's event names no event before it.
    equal([(e["id"], e["previousEventId"]) for e in whole], [(1, 0), (2, 0)] + [(n, n - 1) for n in range(3, 9)], "ids")
    refused("InvalidToken", sfn.get_execution_history, executionArn=arn, nextToken="made up")


def same_start_and_stop(sfn):
    machine = sfn.create_state_machine(name="waiting", definition=json.dumps(WAITING), roleArn=ROLE)["stateMachineArn"]
    request = {"stateMachineArn": machine, "name": "held", "input": '{"n": 1}'}
    first, second = sfn.start_execution(**request), sfn.start_execution(**request)
    equal((second["executionArn"], second["startDate"]), (first["executionArn"], first["startDate"]), "the same start")
    refused("ExecutionAlreadyExists", sfn.start_execution, **{**request, "input": '{"n": 2}'})
    sfn.stop_execution(executionArn=first["executionArn"], error="Enough", cause="by hand")
    execution = ended(sfn, first["executionArn"])
    equal((execution["status"], execution["error"], execution["cause"]), ("ABORTED", "Enough", "by hand"), "stopped")
    last = sfn.get_execution_history(executionArn=first["executionArn"], reverseOrder=True, maxResults=1)["events"][0]
    equal((last["type"], last["executionAbortedEventDetails"]),
          ("ExecutionAborted", {"error": "Enough", "cause": "by hand"}), "the last event")
    again = sfn.stop_execution(executionArn=first["executionArn"])
    equal(again["stopDate"], execution["stopDate"], "stopping what has ended")


def activities(sfn):
    """The four activity calls (create, describe, list, delete), the poll, and the three that report."""
    arn = sfn.create_activity(name="price-of")["activityArn"]
    equal(arn, f"{PREFIX}:activity:price-of", "the ARN of an activity")
    equal(sfn.create_activity(name="price-of")["activityArn"], arn, "creating it again")
    equal(sfn.describe_activity(activityArn=arn)["name"], "price-of", "described")
    sfn.create_activity(name="unused")
    listed = [a["name"] for page in sfn.get_paginator("list_activities").paginate(PaginationConfig={"PageSize": 1})
              for a in page["activities"]]
    assert {"price-of", "unused"} <= set(listed) and len(listed) == len(set(listed)), listed
    sfn.delete_activity(activityArn=f"{PREFIX}:activity:unused")
    refused("ActivityDoesNotExist", sfn.describe_activity, activityArn=f"{PREFIX}:activity:unused")
    refused("ActivityDoesNotExist", sfn.get_activity_task, activityArn=f"{PREFIX}:activity:unused")

    task = {"Type": "Task", "Resource": arn, "HeartbeatSeconds": 60, "End": True}
    machine = sfn.create_state_machine(
        name="asking", definition=json.dumps({"StartAt": "Ask", "States": {"Ask": task}}), roleArn=ROLE,
    )["stateMachineArn"]
    told, failures = {}, []

    def work():
        try:
            for _ in range(2):
                got = sfn.get_activity_task(activityArn=arn, workerName="of-the-test")
                asked, token = json.loads(got["input"]), got["taskToken"]
                sfn.send_task_heartbeat(taskToken=token)
                told[asked["symbol"]] = token
                if asked["symbol"] == "IBM":
                    sfn.send_task_success(taskToken=token, output='{"price": 200.5}')
                else:
                    sfn.send_task_failure(taskToken=token, error="NoSuchSymbol", cause=asked["symbol"])
        except BaseException as error:  # reported by the main thread
            failures.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    arns = [sfn.start_execution(stateMachineArn=machine, input=json.dumps({"symbol": s}))["executionArn"]
            for s in ("IBM", "NONE")]
    good, bad = (ended(sfn, execution) for execution in arns)
    worker.join(WAIT_SECONDS_MAX)
    assert not failures and not worker.is_alive(), failures
    equal((good["status"], json.loads(good["output"])), ("SUCCEEDED", {"price": 200.5}), "a task that succeeded")
    equal((bad["status"], bad["error"], bad["cause"]), ("FAILED", "NoSuchSymbol", "NONE"), "a task that failed")
    started = [e for e in sfn.get_execution_history(executionArn=arns[0])["events"] if e["type"] == "ActivityStarted"]
    equal([e["activityStartedEventDetails"]["workerName"] for e in started], ["of-the-test"], "who took it")

    for call, more in ((sfn.send_task_success, {"output": "{}"}), (sfn.send_task_failure, {}),
                       (sfn.send_task_heartbeat, {})):
        refused("TaskTimedOut", call, taskToken=told["IBM"], **more)
        refused("InvalidToken", call, taskToken="nobody's token", **more)

    held = sfn.start_execution(stateMachineArn=machine, input='{"symbol": "KEPT"}')["executionArn"]
    token = sfn.get_activity_task(activityArn=arn)["taskToken"]
    refused("InvalidOutput", sfn.send_task_success, taskToken=token, output="{no JSON")
    sfn.stop_execution(executionArn=held)
    refused("TaskTimedOut", sfn.send_task_success, taskToken=token, output="{}")


def main():
    sfn = connect(sys.argv[1])
    machine = machines(sfn)
    print("machines: good")
    executions(sfn, machine)
    print("executions and history: good")
    same_start_and_stop(sfn)
    print("idempotent start, stop: good")
    activities(sfn)
    print("activities and tasks: good")


if __name__ == "__main__":
    main()

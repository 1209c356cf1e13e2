"""What every verdict means and what its reader can do about it, for pages and the command line."""

from __future__ import annotations

from dataclasses import dataclass

from evaluator.contract import Verdict


@dataclass(frozen=True, kw_only=True)
class VerdictHelp:
    title: str
    meaning: str
    what_to_do: str
    #: Said first where the submission has written a log; an empty one tells nothing.
    in_the_log: str = ""

    def advice(self, *, has_log: bool) -> str:
        return f"{self.in_the_log} {self.what_to_do}".strip() if has_log else self.what_to_do


VERDICTS: dict[str, VerdictHelp] = {
    Verdict.OK: VerdictHelp(
        title="Ended well",
        meaning="Every system of the task was tried and the scores stand. Systems on which the "
        "potential failed physically (no energy minimum, say) are counted and score nothing, "
        "which is a result and not a fault.",
        what_to_do="Nothing. The evaluation's page shows each system, with the reason of each "
        "failure.",
    ),
    Verdict.INVALID_ARTIFACT: VerdictHelp(
        title="Not a file of this kind",
        meaning="The uploaded file is not what its calculator kind expects: another format, "
        "truncated, or an archive without the parts that are needed.",
        what_to_do="Check the calculator kind, and that the file loads on your machine with "
        "touchstone validate. Then submit it as a new version.",
    ),
    Verdict.LOAD_ERROR: VerdictHelp(
        title="Could not be loaded",
        meaning="The file has the right form, but loading it raised an error: another "
        "architecture, another version of its package, or a missing module.",
        what_to_do="Do what the reason says. touchstone validate loads the file in the same way on "
        "your machine, and the page on artifacts says what each kind takes.",
        in_the_log="Read the log, which shows the error.",
    ),
    Verdict.UNSUPPORTED: VerdictHelp(
        title="Not covered",
        meaning="The potential supports the elements of none of the task's systems, so nothing was "
        "asked of it: the task tells nothing of it, which is no failure. Where systems are counted "
        "as failed, it declares their elements, and its calculator refused each of them.",
        what_to_do="Nothing, if this is so. If the declared elements are too few, withdraw this "
        "version on its page, and submit the file as a new one with the right elements.",
    ),
    Verdict.RUNTIME_ERROR: VerdictHelp(
        title="Stopped with an error",
        meaning="The potential loaded, but raised an error or ended its process while it was "
        "computing.",
        what_to_do="Repeat the structure that is named with touchstone evaluate on your machine, "
        "mend it, and submit a new version.",
        in_the_log="Read the log, which has the traceback.",
    ),
    Verdict.PROTOCOL_ERROR: VerdictHelp(
        title="Answered out of turn",
        meaning="The process that computes sent something that is not an answer to the question "
        "asked: a wrong shape, a wrong number, or bytes that are no message.",
        what_to_do="Check the shapes that your calculator returns: energy is one number, forces "
        "are (atoms, 3), stress has six components. Write nothing to file descriptors that you "
        "did not open.",
    ),
    Verdict.NONFINITE: VerdictHelp(
        title="Not a number",
        meaning="An energy, force or stress was NaN, infinite or of an absurd size on so many "
        "systems, or at such a point, that the task could not go on.",
        what_to_do="Try the structure that is named in double precision. Divisions by a distance "
        "or by the number of neighbours, and isolated atoms, are the usual causes.",
    ),
    Verdict.CALL_TIMEOUT: VerdictHelp(
        title="One call took too long",
        meaning="A single call for energy and forces passed the task's time limit for a call.",
        what_to_do="The task's page shows the limit. Make sure nothing is compiled or downloaded "
        "at the first call, and that the neighbour list scales linearly with the atoms.",
    ),
    Verdict.WALL_TIMEOUT: VerdictHelp(
        title="The time was used up",
        meaning="The evaluation reached the task's limit of wall time before all systems were "
        "done. This says that the potential is slow here, not that it is unstable.",
        what_to_do="Submit a faster variant (single precision, a smaller model), or ask the "
        "administrators for an evaluation on other hardware.",
    ),
    Verdict.OUT_OF_MEMORY_HOST: VerdictHelp(
        title="Out of memory",
        meaning="The process that computes needed more memory than the task allows.",
        what_to_do="The task's page shows the limit. Free what a call no longer needs; the "
        "gradient of the weights need not be kept.",
    ),
    Verdict.OUT_OF_MEMORY_GPU: VerdictHelp(
        title="Out of GPU memory",
        meaning="One structure alone did not fit the memory of the worker's GPU.",
        what_to_do="Reduce what is kept for each neighbour, or ask for an evaluation on a larger "
        "device. Batches are halved by the service already.",
    ),
    Verdict.OUTPUT_LIMIT: VerdictHelp(
        title="Wrote too much",
        meaning="The potential wrote more text, or larger files, than is allowed.",
        what_to_do="Turn off progress bars and debug output, and keep no files.",
    ),
    Verdict.SANDBOX_VIOLATION: VerdictHelp(
        title="Left the sandbox's rules",
        meaning="The potential attempted something that the sandbox forbids and was stopped.",
        what_to_do="A calculator needs neither a network nor devices. Remove downloads and "
        "telemetry. If you believe this is a mistake, write to the administrators.",
    ),
    Verdict.INCONSISTENT: VerdictHelp(
        title="Not one answer to one structure",
        meaning="Some scored structures were asked again in other words (turned, shifted, with "
        "the atoms in another order), and so were structures a hundredth of an ångström away. On "
        "most of them the answers did not belong together, by far more than rounding, roughness "
        "or a broken symmetry explains. Such answers are not scored.",
        what_to_do="Run the task with touchstone evaluate, which measures the same. Answers must "
        "follow from the structure alone: no random numbers, no memory of earlier calls, no table "
        "of known structures, no dependence on orientation, origin or order. If you believe this "
        "is a mistake, write to the administrators.",
    ),
    Verdict.CANCELLED: VerdictHelp(
        title="Cancelled",
        meaning="The owner or an administrator stopped it, or the submission was withdrawn.",
        what_to_do="Who may submit the potential can have it evaluated again, on the page of the "
        "evaluation or with touchstone reevaluate.",
    ),
    Verdict.INFRASTRUCTURE_ERROR: VerdictHelp(
        title="Our fault",
        meaning="The service itself failed: a missing file, a full disk, a broken worker. It was "
        "tried again as often as is allowed. It never counts against the submitter.",
        what_to_do="Nothing. The administrators see it too and will queue it again.",
    ),
    Verdict.INFRASTRUCTURE_LOST: VerdictHelp(
        title="The worker was lost",
        meaning="The worker that ran it fell silent, several times in a row. It never counts "
        "against the submitter.",
        what_to_do="Nothing. The administrators see it too and will queue it again.",
    ),
}

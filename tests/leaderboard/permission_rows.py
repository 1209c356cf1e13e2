"""Who gets which answer where: one line for each address, method and case.

To add an endpoint, add its lines here: the name of its address (``api:...`` for the API, else
a page), the method, the case, and six statuses. Where the address has parameters, or the request
needs a body, say so in ``PARAMETERS`` and ``BODIES`` of test_permission_matrix.py.

Cases: ``public`` and ``private`` are a submission (with its potential and evaluations) of a team in
which vera is a viewer, sam a submitter and alice an owner; ``-`` where it does not matter.
"""

#                                             anonymous stranger viewer submitter owner staff
ROWS = """
api:index                 get    -        200 200 200 200 200 200
api:schema                get    -        200 200 200 200 200 200
api:docs                  get    -        200 200 200 200 200 200
api:nowhere               get    -        404 404 404 404 404 404
api:me                    get    -        401 200 200 200 200 200
api:signed-in             get    -        401 204 204 204 204 204
api:my-quota              get    -        401 200 200 200 200 200
api:queue                 get    -        200 200 200 200 200 200
api:runtimes              get    -        200 200 200 200 200 200
api:runtime               get    -        200 200 200 200 200 200
api:tokens                get    -        401 200 200 200 200 200
# A token cannot make tokens; test_accounts.py makes them by password and session.
api:tokens                post   -        401 403 403 403 403 403
api:token                 delete -        401 404 404 404 204 404
api:teams                 get    -        401 200 200 200 200 200
api:teams                 post   -        401 201 201 201 201 201
api:team                  get    -        401 404 200 200 200 200
api:team                  patch  -        401 404 403 403 200 200
# Its potentials stand in the way.
api:team                  delete -        401 404 403 403 409 409
api:team-quota            get    -        401 404 200 200 200 200
api:team-members          get    -        401 404 200 200 200 200
api:team-member           patch  -        401 404 403 403 200 200
# Of the viewer, who may leave.
api:team-member           delete -        401 404 204 403 204 204
api:team-invitations      get    -        401 404 403 403 200 200
api:team-invitations      post   -        401 404 403 403 201 201
api:team-invitation       delete -        401 404 403 403 204 204
# The stranger is invited by name.
api:invitations           get    -        401 200 200 200 200 200
api:invitation            get    -        401 200 404 404 404 404
api:invitation            delete -        401 204 404 404 404 404
api:invitation-accept     post   -        401 200 404 404 404 404
api:potentials            get    -        200 200 200 200 200 200
api:potentials            post   -        401 201 201 201 201 201
api:potentials            post   team     401 400 403 201 201 201
api:potential             get    public   200 200 200 200 200 200
api:potential             get    private  404 404 200 200 200 200
api:potential             patch  public   401 403 403 403 200 200
api:potential             patch  private  401 404 403 403 200 200
# Its versions stand in the way; test_potentials.py removes one without.
api:potential             delete public   401 403 403 403 409 409
api:potential             delete private  401 404 403 403 409 409
api:potential-history     get    public   200 200 200 200 200 200
api:potential-history     get    private  404 404 200 200 200 200
api:leaderboard-diff      get    -        200 200 200 200 200 200
api:task-diff             get    -        200 200 200 200 200 200
api:redoc                 get    -        200 200 200 200 200 200
api:badge                 get    public   200 200 200 200 200 200
api:badge                 get    private  404 404 404 404 404 404
api:feed                  get    public   200 200 200 200 200 200
api:feed                  get    private  404 404 404 404 404 404
api:webhooks              get    -        401 200 200 200 200 200
api:webhooks              post   -        401 201 201 201 201 201
# A webhook is its maker's: whoever has its secret can sign as the service.
api:webhook               get    -        401 404 404 404 200 404
api:webhook               patch  -        401 404 404 404 200 404
api:webhook               delete -        401 404 404 404 204 404
api:webhook-ping          post   -        401 404 404 404 202 404
api:webhook-delivery      get    -        401 404 404 404 200 404
api:webhook-deliveries    get    -        401 404 404 404 200 404
api:uploads               get    -        401 200 200 200 200 200
api:uploads               post   -        401 201 201 201 201 201
# An upload is its maker's alone.
api:upload                get    -        401 404 404 404 200 404
api:upload                delete -        401 404 404 404 204 404
api:upload-part           put    -        401 404 404 404 200 404
api:upload-complete       post   -        401 404 404 404 409 404
api:submissions           get    -        200 200 200 200 200 200
api:submissions           post   public   401 403 403 201 201 201
api:submissions           post   private  401 404 403 201 201 201
api:submission-check      post   public   401 403 403 200 200 200
# Whoever does not see the potential is told that it may be a new one of his.
api:submission-check      post   private  401 400 403 200 200 200
api:submission            get    public   200 200 200 200 200 200
api:submission            get    private  404 404 200 200 200 200
api:submission-agreement  get    public   200 200 200 200 200 200
api:submission-agreement  get    private  404 404 200 200 200 200
api:submission-withdraw   post   public   401 403 403 403 200 200
api:submission-withdraw   post   private  401 404 403 403 200 200
api:submission-publish    post   public   401 403 403 403 200 200
api:submission-publish    post   private  401 404 403 403 200 200
api:evaluations           get    -        200 200 200 200 200 200
api:evaluation            get    public   200 200 200 200 200 200
api:evaluation            get    private  404 404 200 200 200 200
api:evaluation-systems    get    public   200 200 200 200 200 200
api:evaluation-systems    get    private  404 404 200 200 200 200
api:evaluation-map        get    public   200 200 200 200 200 200
api:evaluation-map        get    private  404 404 200 200 200 200
api:evaluation-files      get    public   200 200 200 200 200 200
api:evaluation-files      get    private  404 404 200 200 200 200
# There is none; test_output_files.py reads some.
api:evaluation-file       get    private  404 404 404 404 404 404
api:evaluation-events     get    public   200 200 200 200 200 200
api:evaluation-events     get    private  404 404 200 200 200 200
api:evaluation-logs       get    public   401 403 200 200 200 200
api:evaluation-logs       get    private  401 404 200 200 200 200
api:evaluation-cancel     post   public   401 403 403 202 202 202
api:evaluation-cancel     post   private  401 404 403 202 202 202
api:evaluation-reevaluate post   public   401 403 403 202 202 202
api:evaluation-reevaluate post   private  401 404 403 202 202 202
api:tasks                 get    -        200 200 200 200 200 200
api:task                  get    -        200 200 200 200 200 200
api:task-leaderboard      get    -        200 200 200 200 200 200
api:task-committee        get    -        200 200 200 200 200 200
api:task-map              get    -        200 200 200 200 200 200
api:task-bundle           get    -        200 200 200 200 200 200
# No such set: test_own_machine.py fetches one.
api:reference-file        get    -        404 404 404 404 404 404
# Staff needs the right to change tasks as well: test_bundles.py gives it.
api:bundle                get    -        401 403 403 403 403 403
api:bundle                post   -        401 403 403 403 403 403
api:bundle-file           get    -        401 403 403 403 403 403
api:protocols             get    -        200 200 200 200 200 200
api:calculators           get    -        200 200 200 200 200 200
api:reference-sets        get    -        200 200 200 200 200 200
api:benchmarks            get    -        200 200 200 200 200 200
api:recommend             get    -        200 200 200 200 200 200
api:leaderboard           get    -        200 200 200 200 200 200

home                      get    -        200 200 200 200 200 200
benchmark-latest          get    -        302 302 302 302 302 302
benchmark                 get    -        200 200 200 200 200 200
tasks                     get    -        200 200 200 200 200 200
task                      get    -        200 200 200 200 200 200
task-version              get    -        200 200 200 200 200 200
system-latest             get    -        302 302 302 302 302 302
system                    get    -        200 200 200 200 200 200
# The set's file is not there; test_systems.py reads one.
structure                 get    -        503 503 503 503 503 503
potentials                get    -        200 200 200 200 200 200
potential                 get    public   200 200 200 200 200 200
potential                 get    private  404 404 200 200 200 200
# The form of its card: for whoever may change it by the API, with the same refusals.
potential-edit            get    public   302 403 403 403 200 200
potential-edit            get    private  302 404 403 403 200 200
potential-edit            post   public   302 403 403 403 400 400
potential-edit            post   private  302 404 403 403 400 400
# Pictures for everybody: what is private has none, not for its owner either.
card                      get    -        200 200 200 200 200 200
potential-card            get    public   200 200 200 200 200 200
potential-card            get    private  404 404 404 404 404 404
task-card                 get    -        200 200 200 200 200 200
task-version-card         get    -        200 200 200 200 200 200
benchmark-card            get    -        200 200 200 200 200 200
welcome                   get    -        200 200 200 200 200 200
submissions               get    -        302 200 200 200 200 200
submission-new            get    -        302 200 200 200 200 200
# An empty form is refused; test_submit.py fills it in.
submission-new            post   -        302 400 400 400 400 400
submission                get    public   200 200 200 200 200 200
submission                get    private  404 404 200 200 200 200
submission-progress       get    public   200 200 200 200 200 200
submission-progress       get    private  404 404 200 200 200 200
# To somebody without an account: sign in first (302); done also leads on (302).
publish                   post   public   302 404 404 404 302 302
publish                   post   private  302 404 404 404 302 302
evaluation-cancel         post   public   302 404 404 302 302 302
evaluation-cancel         post   private  302 404 404 302 302 302
evaluation-reevaluate     post   public   302 404 404 302 302 302
evaluation-reevaluate     post   private  302 404 404 302 302 302
withdraw                  post   public   302 404 404 404 302 302
withdraw                  post   private  302 404 404 404 302 302
evaluation                get    public   200 200 200 200 200 200
evaluation                get    private  404 404 200 200 200 200
choose                    get    -        200 200 200 200 200 200
compare                   get    -        200 200 200 200 200 200
correlation               get    -        200 200 200 200 200 200
queue                     get    -        200 200 200 200 200 200
runtimes                  get    -        200 200 200 200 200 200
runtime                   get    -        200 200 200 200 200 200
docs                      get    -        200 200 200 200 200 200
verdicts                  get    -        200 200 200 200 200 200
protocols                 get    -        200 200 200 200 200 200
protocol                  get    -        200 200 200 200 200 200
cite                      get    -        200 200 200 200 200 200
doc                       get    -        200 200 200 200 200 200
sitemap                   get    -        200 200 200 200 200 200
robots                    get    -        200 200 200 200 200 200
login                     get    -        200 302 302 302 302 302
admin-login               get    -        302 403 403 403 403 302
account_login             post   -        200 302 302 302 302 302
logout                    post   -        302 302 302 302 302 302
account_logout            post   -        302 302 302 302 302 302
account_signup            get    -        200 302 302 302 302 302
account_inactive          get    -        200 200 200 200 200 200
account_email             get    -        302 200 200 200 200 200
account_email_verification_sent      get - 200 200 200 200 200 200
account_confirm_email     get    -        200 200 200 200 200 200
account_change_password   get    -        302 200 200 200 200 200
account_set_password      get    -        302 302 302 302 302 302
account_reset_password    get    -        200 200 200 200 200 200
account_reset_password_done          get - 200 200 200 200 200 200
account_reset_password_from_key      get - 200 200 200 200 200 200
account_reset_password_from_key_done get - 200 200 200 200 200 200
# Before something of weight: who signed in by force in the tests has not shown a password.
account_reauthenticate    get    -        302 200 200 200 200 200
mfa_index                 get    -        302 200 200 200 200 200
mfa_activate_totp         get    -        302 302 302 302 302 302
# None of them has set an app up; test_second_factor.py does.
mfa_deactivate_totp       get    -        302 404 404 404 404 404
mfa_view_recovery_codes   get    -        302 404 404 404 404 404
mfa_generate_recovery_codes          get - 302 302 302 302 302 302
mfa_authenticate          get    -        302 302 302 302 302 302
mfa_reauthenticate        get    -        302 302 302 302 302 302
socialaccount_connections get    -        302 200 200 200 200 200
# Nothing has been begun elsewhere.
socialaccount_signup      get    -        302 302 302 302 302 302
socialaccount_login_error get    -        401 401 401 401 401 401
socialaccount_login_cancelled        get - 200 200 200 200 200 200
account                   get    -        302 200 200 200 200 200
token-create              post   -        302 201 201 201 201 201
token-revoke              post   -        302 404 404 404 302 404
team                      get    -        302 404 200 200 200 200
team-create               post   -        302 302 302 302 302 302
# With nothing typed: refused for what it says (400) or for who asks (403).
team-invite               post   -        302 404 403 403 400 400
team-uninvite             post   -        302 404 403 403 302 302
team-member               post   -        302 404 302 403 302 302
# The stranger is invited.
invitation                get    -        302 200 404 404 404 404
invitation                post   -        302 302 404 404 404 404
"""

"""Every limit of the product in one place, each with its reason. A refusal names the limit it met."""

# --- Requests ---------------------------------------------------------------------------------------------

# A batch of 1,000 events of 5 kB. More in one request only makes retries dearer.
BODY_BYTES_MAX = 5 * 1024 * 1024

# Pieces that a shipper packed by themselves and sends as one; each costs a copy of what follows it.
GZIP_MEMBERS_MAX = 100

# How long a request waits until its body may be read, holding a thread meanwhile. A body that has arrived is read in
# microseconds.
BODY_WAITS_SECONDS_MAX = 0.25

# Connections that one web process keeps open. Browsers, clients and proxies keep theirs for half a minute after the last
# answer; half of the 1,024 files that a process may commonly have open.
WEB_CONNECTIONS_MAX = 512

# Deeper than any shape we read (OTLP reaches 12), shallow enough that no walk of the tree can exhaust the
# stack.
JSON_DEPTH_MAX = 16

# No object we read has more than 50 names of its own; providers' usage objects have fewer than 100.
JSON_KEYS_MAX = 100

# A number in free data: what a double can hold, written in at most so many digits. JSON lets 12 characters
# stand for 131 kB (1e131000), and Postgres writes them out in full.
WIDE_NUMBER_DIGITS_MAX = 40
WIDE_NUMBER_EXPONENT_MAX = 308

# Fits every page we draw; longer lists are walked with the cursor.
PAGE_ROWS_DEFAULT = 50
PAGE_ROWS_MAX = 200

# Looked at for one page of a list that is sifted row by row: some 20 ms.
SIFTED_ROWS_MAX = 2_000

# A cursor holds a few sort keys of at most 255 characters each.
CURSOR_CHARACTERS_MAX = 2_000

# Search words are compared with short names; a longer one finds nothing.
SEARCH_CHARACTERS_MAX = 200

# A UUID has 36 characters; some clients hash their own request, so 255 as for every other id.
IDEMPOTENCY_KEY_CHARACTERS_MAX = 255

# How long a second request with the same Idempotency-Key is told to wait for the first: half a lock time-out.
IDEMPOTENCY_RETRY_SECONDS = 2

# When Postgres is away or sheds load: long enough for a restart, short enough that nobody notices twice.
UNAVAILABLE_RETRY_SECONDS = 5

# --- Credentials ------------------------------------------------------------------------------------------

# A key already seen is trusted this long without asking Postgres again; a revoked key may live as long
# elsewhere.
API_KEY_CACHE_SECONDS = 30
API_KEY_CACHE_ENTRIES_MAX = 10_000

# "Last used" is for people who clean up keys: minutes are exact enough, and a write per request would be
# waste.
API_KEY_LAST_USED_SECONDS = 300

# Wrong keys from one address. Nobody guesses 256 bits; this keeps the log readable and the guesser slow. A
# right key is answered whatever the address has tried before.
WRONG_KEYS_PER_MINUTE_MAX = 120

# A portal link is sent by e-mail or opened at once; a day suits both. Nobody should hold one for longer than
# a month.
PORTAL_LINK_SECONDS_DEFAULT = 24 * 3600
PORTAL_LINK_SECONDS_MIN = 60
PORTAL_LINK_SECONDS_MAX = 30 * 24 * 3600

# --- Texts and times --------------------------------------------------------------------------------------

ID_CHARACTERS_MAX = 255
KEY_CHARACTERS_MAX = 100
NAME_CHARACTERS_MAX = 200
ADDRESS_CHARACTERS_MAX = 1_000
TAX_NAME_CHARACTERS_MAX = 40

# Years in which local midnights, month arithmetic and Postgres's timestamps all hold without a special case.
YEAR_MIN = 1970
YEAR_MAX = 2200

# --- Events -----------------------------------------------------------------------------------------------

# Costs one transaction; at 1,000 the fixed price of a commit is already spread thin.
BATCH_EVENTS_MAX = 1_000

# Names that a company tags its calls with; beyond that the event is carrying a document.
EVENT_PROPERTIES_MAX = 50

# The widths of the event's columns; the longest model names in use have about 90 characters.
EVENT_TYPE_CHARACTERS_MAX = 120
EVENT_PROVIDER_CHARACTERS_MAX = 60
EVENT_MODEL_CHARACTERS_MAX = 200
EVENT_STATUS_CHARACTERS_MAX = 20
EVENT_CONTEXT_CHARACTERS_MAX = 20
HOLD_CHARACTERS_MAX = 64

# A day has 86 million milliseconds; no call takes longer than the column holds.
LATENCY_MS_MAX = 2**31 - 1
RUN_STEP_MAX = 2**31 - 1

# Client clocks run ahead by seconds, not by hours.
EVENT_FUTURE_SECONDS_MAX = 5 * 60

# A year's invoices can still be corrected by usage that comes late; what is older is an import gone wrong.
EVENT_AGE_DAYS_MAX = 400

# Lone events waiting for the writer of a process: a second's worth. Beyond it, waiting only makes everyone later.
WAITING_EVENTS_MAX = 2_000
WAITING_EVENTS_SECONDS_MAX = 10

# Keys of customers that a process remembers with their ids: some 100 bytes each.
CUSTOMERS_REMEMBERED_MAX = 10_000

# What gateways and collectors send by themselves, in batches that nobody can tell them to split: 512 of LiteLLM's
# payloads have 8 MiB, an OpenTelemetry Collector's batch 8,192 spans. What a refusal drops is lost.
TELEMETRY_BYTES_MAX = 16 * 1024 * 1024
TELEMETRY_EVENTS_MAX = 10_000

# A property that a gateway copies out of what its users wrote.
TELEMETRY_TEXT_CHARACTERS_MAX = 200

# Large batches read at the same time in a process: each may grow to fifty times its bytes while it is read.
LARGE_BODY_BYTES = 256 * 1024
LARGE_BODIES_MAX = 4

# A read that promises money first rates what waits: about a second's work. What is left shows a moment later.
CATCH_UP_EVENTS = 20_000

# --- Events that were refused --------------------------------------------------------------------------

# One refused event as it is kept: 50 properties of some 250 characters. What is longer is told, not kept.
REJECTED_BYTES_MAX = 16 * 1024
REJECTED_TEXT_CHARACTERS_MAX = 255
REJECTED_DETAIL_CHARACTERS_MAX = 1_000

# Kept a minute and an hour by one process, and a minute of one key: a sender gone wild fills no disk, and hides nobody
# else's mistake. What goes beyond is counted.
REJECTED_KEPT_PER_MINUTE_MAX = 2_000
REJECTED_KEPT_PER_MINUTE_OF_A_KEY_MAX = 1_000
REJECTED_KEPT_PER_HOUR_MAX = 20_000

# Kept altogether, the newest: 200 MB where each has two kilobytes.
REJECTED_ROWS_MAX = 100_000

# Sent again, or given up, by one click or call: about a second's work.
REPLAYED_AT_ONCE_MAX = 1_000

# Unmatched events taken in before the answer; the sweep does the rest within a minute.
UNMATCHED_AT_ONCE_MAX = 5_000

# Arrivals by the minute are looked at for the last hours and days: a fortnight of them is some 500,000 small rows.
ARRIVALS_DAYS_KEPT = 14

# Pasted into a page by a person.
TRIED_BYTES_MAX = 256 * 1024

# --- The catalogue ----------------------------------------------------------------------------------------

# An invoice of more lines is one that nobody reads.
PLAN_CHARGES_MAX = 100
PLAN_ALLOWANCES_MAX = 20  # as many as a customer can keep apart
PLAN_GRANTS_MAX = 20
PLAN_VERSIONS_MAX = 10_000

# Customers that one move to another plan version may name; for more there is "all".
MOVE_CUSTOMERS_MAX = 1_000

# Steps of a move that are carried out before the answer, some 10 ms each; the sweep does the rest.
MOVE_STEPS_AT_ONCE = 50
TRIAL_DAYS_MAX = 730

# A tenth of what a document can hold, so that a period's lines together still fit.
MONEY_MAX = 10_000_000_000_000
CREDITS_MAX = 1_000_000_000_000_000
GRANT_PRIORITY_MAX = 1_000

# A sentence for whoever reads the books later.
REASON_CHARACTERS_MAX = 300

# What a bank prints as a payment's reference has up to 140; it shares its column with the invoice's id.
PAYMENT_REFERENCE_CHARACTERS_MAX = 200
PAYMENT_MINOR_MAX = 10**18

METER_FILTER_PATHS_MAX = 10
METER_FILTER_VALUES_MAX = 100

# Each dimension multiplies the number of hourly buckets kept.
METER_GROUP_BY_MAX = 5

# The largest public price list has 20,000 prices; one person's own in one request are far fewer.
PRICE_ROWS_MAX = 20_000

# A price list that is read from an address: the largest public one is below 3 MB.
PRICE_LIST_BYTES_MAX = 16 * 1024 * 1024

# One preview is one request of a person who is setting a price.
PREVIEW_EVENTS_MAX = BATCH_EVENTS_MAX

# --- Questions over events --------------------------------------------------------------------------------

# As far back as events are taken in.
USAGE_SPAN_DAYS_MAX = EVENT_AGE_DAYS_MAX

# More hours than that are no chart; days are.
USAGE_HOURS_DAYS_MAX = 31

# A table of more dimensions is one that nobody reads.
USAGE_GROUP_BY_MAX = 3
USAGE_MEASURES_MAX = 10

# Beyond eight colors a chart is gray; a table of the fifty largest still fits a page.
USAGE_TOP_MAX = 50

# What one answer or one file may hold: a year of days with fifty names each is 20,000.
USAGE_ROWS_MAX = 25_000

# A question over events that takes longer than this is asked too broadly, and costs everybody else.
QUESTION_SECONDS_MAX = 15

# Names and values to pick from are read off the newest events: enough to meet every name that is in use. Where nobody is
# named they are shared out among the customers with most events.
PICKER_EVENTS_MAX = 5_000
PICKER_CUSTOMERS_MAX = 50
PICKER_NAMES_MAX = 60
PICKER_VALUES_MAX = 20

# --- Runs and outcomes ------------------------------------------------------------------------------------

# A tree of more runs than this is shown in part, and says so.
RUN_TREE_RUNS_MAX = 2_000

# Runs are told whole, so a list reads every event of each; a month of them is what one looks through.
RUNS_SPAN_DAYS_MAX = 92

# What a customer pays for a run adds up the prices of its calls, worked out as their receipts are: some 0.1 ms each.
RUNS_PRICED_CALLS_MAX = 5_000
# A customer's file of runs, read and priced while somebody waits.
RUNS_FILE_ROWS_MAX = 2_000

VALUE_LINKS_MAX = 4
VALUE_WINDOW_DAYS_MAX = 90

# --- Backfills --------------------------------------------------------------------------------------------

# A file as it is sent, packed or not: a million calls with their tags in CSV have about this size.
BACKFILL_FILE_BYTES_MAX = 256 * 1024 * 1024

# The same unpacked: text packs eight times smaller and more; what packs better is no usage.
BACKFILL_UNPACKED_BYTES_MAX = 1024 * 1024 * 1024

# How much of a file is held in memory and kept in one row of the database.
BACKFILL_CHUNK_BYTES = 1024 * 1024

# Parts in which a file may be sent, for those behind a proxy that bounds bodies.
BACKFILL_PARTS_MAX = 1_000

# A million events are read, compared and stored in some ten minutes; a longer history is several files.
BACKFILL_ROWS_MAX = 1_000_000

# Read, and committed, at once.
BACKFILL_BATCH_ROWS = 1_000

# Stored in one transaction, while that customer's other events wait: a fifth of a second.
BACKFILL_STORE_ROWS = 2_000

# Taken back in one transaction. Draws since the first of them are made anew with it, and where a charge does not add up
# (a largest value, one seen once) its whole period is counted again: fewer at once would do that more often.
BACKFILL_REVERT_ROWS = 5_000

# Looked at before the work is handed on to the next task, so that none meets its time limit.
BACKFILL_SLICE_ROWS = 100_000

# Columns of a file. An event has at most 50 properties and about 40 fields.
BACKFILL_COLUMNS_MAX = 200

# One cell: a provider's whole response fits.
BACKFILL_CELL_CHARACTERS_MAX = 100_000

# Kept of a row that is refused, for the list of what to correct.
BACKFILL_SHOWN_CELL_CHARACTERS = 500

/**
 * Words that table names are made of everywhere: they let glued names (`salesorderheader`) be cut. General vocabulary
 * of business schemas, not of any one product; a schema's own words are added to it.
 */
export const COMMON_WORDS: ReadonlySet<string> = new Set(
  `access account accounting bay cached chassis context mac managed preorder tagged qualified action activity actor address adjustment admin agent aggregate agreement album alert alias allocation amount
  answer api app application approval archive area article artist asset assigned assignment assoc association attachment attempt attendance attribute
  audit author authority authorization auth availability badge balance bank base basket batch benefit bill billing block blog board body
  book booking bookmark box branch brand browser budget bundle business button cache calendar call campaign candidate capability card
  career cart case cash catalog catalogue category cell change channel charge chart chat check checkout choice city claim class
  client cluster code collection color comment commission communication company comparison competitor complaint component condition config configuration connection
  console contact container content contract control conversation cost count counter country county coupon course credential credit cron
  currency custom customer customization cycle daily dashboard data database date day debit decision default definition delivery department deposit depot
  description design detail device dimension direct directory discount discussion dispatch display district document domain donation download draft driver
  duty edge edit edition education element email employee employment endpoint enrollment entity entry environment error event exam exception exchange
  excluded execution expense experience experiment export expression extension external extra facility factor failure family favorite feature fee feed feedback
  field file filter finance financial flag flow folder follow follower form format forum freight friend front fulfillment function fund gallery gateway gender
  geo gift global goal grade grant granted graph group guest guide header health help history hold holiday home host hotel hour house household http icon
  identity image import inbound incident income index industry info ingredient insight installation instance institution instruction insurance integration interest
  interface internal interview inventory invitation invite invoice issue item job journal key keyword kind label land language layer layout
  lead league leave ledger legal lesson letter level library license like limit line link list listing loan local locale location lock log login logo lot
  loyalty machine mail mailbox maintenance management manager manufacturer map mapping margin mark market marketing master match material matrix measure measurement media
  medical medication meeting member membership memo menu merchant message meta metadata meter method metric migration milestone mobile model module money monitor month
  movement movie name need network news newsletter node note notification number object offer office online opening operation operator opportunity option order
  organization organisation origin outbound outlet output owner pack package page panel parameter parent part participant partner party pass password patch path patient pay payable
  payment payroll payout penalty pending people per percentage performance period permission person personal phase phone photo pick picture pipeline place plan planning plant platform
  play player playlist plugin point policy poll pool port portfolio position post postal power preference pregnancy premium prescription presentation price pricing print printer priority
  private problem procedure process product production profile profit program progress project promo promotion property proposal provider province public publication publisher
  purchase purpose push quality quantity query question queue quiz quota quote quotation rack rate rating reaction reading reason receipt receivable recipe recipient
  record recurring redirect reference referral refund region register registration registry relation relationship release reminder rent rental repair replacement reply report repository request
  requirement reservation reset resource response restaurant result return revenue review revision reward right risk role room rota route routing row rule run
  salary sale sales sample schedule scheduled school score scope screen script search season seat section secret sector security segment seller sequence series server service session set
  setting settlement share shelf shift ship shipment shipping shop shopping site size skill slot snapshot social software solution sort source space special specification
  sponsor sport staff stage standard state statement statistic status step stock stop storage store story stream street student study subcategory subject submission
  subscriber subscription summary supplier supply support survey switch sync system table tag target task tax team technician template tenant term termination territory test
  text theme thread threshold throttle thumbnail ticket tier time timesheet timeline title token tool topic tour track tracking trade training transaction transfer transition translation
  transport travel treatment trend trigger trip turn type unit university update upload usage user validation value variant vehicle vendor venue version video view virtual
  visit visitor voucher wage wallet warehouse warranty watch web webhook week weight wish wishlist wireless word work worker workflow workspace year zip zone`
    .split(/\s+/)
    .filter((word) => word !== ''),
);
